/**
 * Completion scripts, made from commander's tree: for every path of words, the words that may follow.
 *
 * The scripts hold the tree themselves: completing starts no process. Names of topics and brokers are not completed.
 */
import type { Command } from 'commander'

export interface Node {
  /** Words that lead here: "admin topic". */
  path: string
  commands: { name: string; about: string }[]
  options: { long: string; short: string | undefined; about: string; takesValue: boolean; takesFile: boolean }[]
  /** A word that follows is a file or a folder. */
  takesFile: boolean
}

/** Undefined for a shell that is none of the three. */
export function completionScript(program: Command, shell: string): string | undefined {
  const nodes = nodesOf(program, '')
  if (shell === 'bash') return bash(nodes)
  if (shell === 'zsh') return zsh(nodes)
  return shell === 'fish' ? fish(nodes) : undefined
}

export function nodesOf(command: Command, path: string): Node[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command).filter((each) => each.name() !== 'help')
  const options = help.visibleOptions(command).map(({ long, short, flags, description, required, optional }) => ({
    long: long ?? '',
    short,
    about: description,
    takesValue: required || optional,
    takesFile: /<(file|folder|path)>/.test(flags),
  }))
  const node: Node = {
    path,
    commands: commands.map((each) => ({ name: each.name(), about: each.description() })),
    options: options.filter(({ long }) => long !== ''),
    // "inspect STORE" is its summary.
    takesFile: path === 'inspect' || command.registeredArguments.some((each) => FILE_ARGUMENT.test(each.name())),
  }
  return [node, ...commands.flatMap((each) => nodesOf(each, path === '' ? each.name() : `${path} ${each.name()}`))]
}

const FILE_ARGUMENT = /^(store|other|source|file|.*\.json)$/

const words = ({ commands, options }: Node) =>
  [...commands.map(({ name }) => name), ...options.map(({ long }) => long)].join(' ')

/** Options of all commands that take that: the word after one is no command. */
const optionsThat = (nodes: readonly Node[], takes: 'takesValue' | 'takesFile') => {
  const names = nodes.flatMap(({ options }) => options.filter((each) => each[takes]))
  return [...new Set(names.flatMap(({ long, short }) => (short === undefined ? [long] : [long, short])))].sort()
}

/** One step of the walk along the words, in the language that bash and zsh share: `at` is the path so far. */
const steps = (nodes: readonly Node[]) => `    case "$word" in
      ${optionsThat(nodes, 'takesValue').join('|')}) ((i++)); continue ;;
      -*) continue ;;
    esac
    next="\${at:+$at }$word"
    case "$next" in ${nodes.map(({ path }) => `'${path}'`).join('|')}) at="$next" ;; esac
`

function bash(nodes: readonly Node[]): string {
  const files = ({ takesFile }: Node) => (takesFile ? ' files=1' : '')
  const cases = nodes.map((node) => `    '${node.path}') words='${words(node)}'${files(node)} ;;\n`).join('')
  return `# bash completion of basaltmq; made by "basaltmq completion bash"
_basaltmq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" at='' next word words='' files='' i
  COMPREPLY=()
  case "$before" in
    ${optionsThat(nodes, 'takesFile').join('|')}) _basaltmq_files "$current"; return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
${steps(nodes)}  done
  case "$at" in
${cases}  esac
  if [ -n "$files" ] && [ "\${current#-}" = "$current" ]; then _basaltmq_files "$current"; fi
  COMPREPLY+=($(compgen -W "$words" -- "$current"))
}
# Folders get their slash, and names with blanks are quoted.
_basaltmq_files() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -f -- "$1"))
  compopt -o filenames 2>/dev/null
}
complete -F _basaltmq basaltmq
`
}

const quoted = (text: string) => text.replaceAll("'", "'\\''")

function zsh(nodes: readonly Node[]): string {
  const entry = (name: string, about: string) =>
    `'${quoted(name.replaceAll(':', '\\:'))}:${quoted(about.replaceAll(':', '\\:'))}'`
  const cases = nodes
    .map(({ path, commands, options, takesFile }) => {
      const list = [
        ...commands.map(({ name, about }) => entry(name, about)),
        ...options.map(({ long, about }) => entry(long, about)),
      ]
      return `    '${path}') choices=(${list.join(' ')})${takesFile ? ' files=1' : ''} ;;\n`
    })
    .join('')
  return `#compdef basaltmq
# zsh completion of basaltmq; made by "basaltmq completion zsh"
_basaltmq() {
  local at='' next word files='' i
  local -a choices
  case "\${words[CURRENT-1]}" in
    ${optionsThat(nodes, 'takesFile').join('|')}) _files; return ;;
  esac
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
${steps(nodes)}  done
  case "$at" in
${cases}  esac
  _describe 'basaltmq' choices
  [ -z "$files" ] || _files
}
if [ "\${funcstack[1]}" = _basaltmq ]; then _basaltmq "$@"; else compdef _basaltmq basaltmq; fi
`
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options, takesFile: takesFiles }) => {
    const here = `complete -c basaltmq -n '__basaltmq_at "${path}"'`
    return [
      ...(takesFiles ? [`${here} -F`] : []),
      ...commands.map(({ name, about }) => `${here} -f -a '${name}' -d '${quoted(about)}'`),
      ...options.map(({ long, short, about, takesValue, takesFile }) => {
        const letter = short === undefined ? '' : ` -s ${short.slice(1)}`
        const value = !takesValue ? '' : takesFile ? ' -r -F' : ' -x'
        return `${here}${letter} -l ${long.slice(2)}${value} -d '${quoted(about)}'`
      }),
    ]
  })
  return `# fish completion of basaltmq; made by "basaltmq completion fish"
function __basaltmq_at
  set -l at ''
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip -eq 1
      set skip 0
      continue
    end
    switch $word
      case ${optionsThat(nodes, 'takesValue')
        .map((name) => `'${name}'`)
        .join(' ')}
        set skip 1
        continue
      case '-*'
        continue
    end
    set -l next (string trim "$at $word")
    if contains -- $next ${nodes
      .filter(({ path }) => path !== '')
      .map(({ path }) => `'${path}'`)
      .join(' ')}
      set at $next
    end
  end
  test "$at" = "$argv[1]"
end
complete -c basaltmq -f
${lines.join('\n')}
`
}
