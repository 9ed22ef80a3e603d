/**
 * From the tree of an expression to closures over property bytes: what a comparison has to do is decided once, by what
 * stands on its sides.
 *
 * Values are what RocketMQ 4.9.7 makes of them: properties are texts and are read as whatever they are compared with
 * (Integer, Long, Double, Boolean; two of them as Doubles for an order); a text that cannot be read so ends the whole
 * evaluation (BROKEN). A missing property is null: null on the left of `=` gives null, on the right false, on both true.
 */
import { equality, membership } from './equality.ts'
import { type Expression, isConstant } from './expression.ts'
import { order } from './order.ts'
import { always, type NumberConstant, OUTCOME, type Outcome, type Side, type Test, truth } from './sides.ts'

const { false: FALSE, true: TRUE, null: NULL, broken: BROKEN } = OUTCOME

/** `slotOf` gives each name its place in PropertyValues. */
export function compileExpression(root: Expression, slotOf: (name: string) => number): Test {
  return new Compiler(slotOf).test(root)
}

class Compiler {
  private readonly slotOf: (name: string) => number

  constructor(slotOf: (name: string) => number) {
    this.slotOf = slotOf
  }

  /** As an operand of AND, OR, NOT and as the whole: what is there and is no boolean is false. */
  test(node: Expression): Test {
    switch (node.kind) {
      case 'and':
      case 'or':
        return chain(
          node.operands.map((operand) => this.test(operand)),
          node.kind === 'or' ? TRUE : FALSE,
        )
      case 'not':
        return negated(this.test(node.operand))
      case 'equal':
        return equality(this.side(node.left), this.side(node.right))
      case 'compare':
        return order(this.side(node.left), this.side(node.right), node.by)
      case 'in':
        return membership(this.slotOf(node.name), node.values, node.isNot)
      default:
        return truth(this.side(node))
    }
  }

  private side(node: Expression): Side {
    switch (node.kind) {
      case 'property':
        return { kind: 'slot', slot: this.slotOf(node.name) }
      case 'negative':
        return this.negative(node.operand)
      case 'null':
        return { kind: 'nothing', test: undefined }
      case 'boolean':
        return { kind: 'test', test: always(node.value ? TRUE : FALSE) }
      case 'text':
        return { kind: 'text', value: node.value }
      case 'int':
      case 'long':
      case 'double':
        return { kind: 'number', value: node }
      default:
        return { kind: 'test', test: this.test(node) }
    }
  }

  /** A number's, and nothing of anything else. */
  private negative(operand: Expression): Side {
    const side = this.side(operand)
    if (side.kind === 'number') return { kind: 'number', value: opposite(side.value) }
    const test = side.kind === 'test' || side.kind === 'nothing' ? side.test : undefined
    return { kind: 'nothing', test: isConstant(operand) ? undefined : test }
  }
}

function opposite(number: NumberConstant): NumberConstant {
  return number.kind === 'long'
    ? { kind: 'long', value: -number.value }
    : { kind: number.kind, value: 0 - number.value }
}

function negated(test: Test): Test {
  return (values) => {
    const outcome = test(values)
    return outcome === TRUE ? FALSE : outcome === FALSE ? TRUE : outcome
  }
}

/** AND (`decisive` FALSE) or OR (TRUE): ends at the first decisive operand, and at one that is broken. */
function chain(tests: readonly Test[], decisive: Outcome): Test {
  const other = decisive === TRUE ? FALSE : TRUE
  if (tests.length === 2) {
    const [left, right] = tests
    return (values) => {
      const first = left(values)
      if (first === decisive || first === BROKEN) return first
      const second = right(values)
      return second === decisive || second === BROKEN || first === other ? second : NULL
    }
  }
  return (values) => {
    let outcome: Outcome = other
    for (let i = 0; i < tests.length; i += 1) {
      const each = tests[i](values)
      if (each === decisive || each === BROKEN) return each
      if (each === NULL) outcome = NULL
    }
    return outcome
  }
}
