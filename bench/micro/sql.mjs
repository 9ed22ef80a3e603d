/**
 * Question: how many messages a second does one thread test by an SQL92 filter, on the bytes of their properties?
 *
 *   scan alone       the pass that looks the names up; every expression pays it
 *   …                typical expressions, over 256 messages of which about half match
 *   by objects       the same as the first expression, with a Map of strings a message: the way not taken
 *   compile          from text to closures, once a subscription
 *
 * Properties as a Java producer stores them: 150 bytes, the client's own four and four of the user.
 */
import { compileFilter } from '../../dist/filter/index.js'
import { parseProperties } from '../../dist/store/commitlog/index.js'

const MESSAGES = 256
const EXPRESSIONS = [
  ['one number', 'price > 500'],
  ['text and number', "region = 'eu' AND price BETWEEN 100 AND 900"],
  ['IN of 3', "region IN ('eu', 'us', 'asia')"],
  ['IN of 1,000', `customer IN (${Array.from({ length: 1000 }, (_, i) => `'c${2 * i}'`).join(',')})`],
  ['floating point', 'weight < 12.5 OR weight IS NULL'],
  ['TAGS', "TAGS = 'TagA'"],
  [
    'ten conditions',
    "NOT (price = 1 OR price = 2) AND (region <> 'x' OR price > 3) AND price < 999 AND weight > 0.1 AND TAGS IS NOT NULL AND price NOT BETWEEN 5 AND 6 AND region NOT IN ('y', 'z')",
  ],
]

export const sql = {
  name: 'sql filter',
  unit: 'message',
  make() {
    const messages = Array.from({ length: MESSAGES }, (_, i) => properties(i))
    const [first] = EXPRESSIONS
    const text = EXPRESSIONS.at(-1)[1]
    const rows = [
      filtered('scan alone', 'TRUE OR none = 1', messages),
      ...EXPRESSIONS.map(([name, expression]) => filtered(name, expression, messages)),
      {
        name: `${first[0]}, by objects`,
        ops: MESSAGES,
        run: () => count(messages, (bytes) => Number(parseProperties(bytes.toString()).get('price')) > 500),
      },
      { name: 'compile (ten conditions)', ops: 1, run: () => compileFilter(text) },
    ]
    return { rows, close() {} }
  },
}

function properties(i) {
  const pairs = {
    UNIQ_KEY: `7F000001${String(i).padStart(24, '5')}`,
    KEYS: `order-${i}`,
    TAGS: i % 2 === 0 ? 'TagA' : 'TagB',
    CLUSTER: 'DefaultCluster',
    region: ['eu', 'us', 'africa', 'oceania'][i % 4],
    price: String((i * 37) % 1000),
    customer: `c${i}`,
    ...(i % 3 === 0 ? {} : { weight: String((i % 250) / 10) }),
  }
  return Buffer.from(
    Object.entries(pairs)
      .map(([name, value]) => `${name}\u0001${value}`)
      .join('\u0002'),
  )
}

function filtered(name, expression, messages) {
  const filter = compileFilter(expression)
  return { name, ops: MESSAGES, run: () => count(messages, (bytes) => filter.matches(bytes, 0, bytes.length)) }
}

/** The result is used, so that nothing is left out. */
function count(messages, isWanted) {
  let wanted = 0
  for (const bytes of messages) if (isWanted(bytes)) wanted++
  if (wanted < 0) throw new Error('more than nothing matches less than nothing')
  return wanted
}
