/*
 * What the shell completes: commands, flags, running domains' names, and files where files are meant. @bomb.sh/tab knows the commands and flags
 * from commander, and has the scripts for zsh, fish and powershell. Ours is:
 *
 *     the directive     the library always says 4, no files; 0 leaves them to the shell
 *     bash's script     the library's is nothing without the package bash-completion, and evaluates what is being typed
 */
import { fileURLToPath } from 'node:url';
import { type ArgumentHandler, type RootCommand, ShellCompDirective } from '@bomb.sh/tab';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { worlds } from './control/client.ts';

/** Arguments, and values of flags, that are files. */
const FILES = /^(file|other|config|config-or-file|disk|folder|dir|path|socket)$/;
/** Names that no shell takes for more than a word: a save file may have come from anybody. */
const WORD = /^[\w.+-]+$/;
/** How long a Tab waits for a world that does not answer. */
const PATIENCE_MS = 500;

/** The program by its path: it is looked for in no PATH. */
const program = (): string => {
  const path = fileURLToPath(new URL('../bin/domu', import.meta.url));
  return /^[\w./+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
};

const bashScript = (executable: string): string => `# bash completion for domu
_domu() {
  local words value
  # COMP_WORDS has = and : for words of their own.
  read -a words <<< "\${COMP_LINE:0:COMP_POINT}"
  [[ \${COMP_LINE:0:COMP_POINT} != *[[:space:]] ]] || words+=('')
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    case $value in
      :0) ;; # files, as bash completes them
      :*) compopt +o default ;;
      *) COMPREPLY+=("$value") ;;
    esac
  done < <(${executable} complete -- "\${words[@]:1}" 2> /dev/null)
}
complete -o default -F _domu domu`;

/** Names of running domains. None when they cannot be had: nobody waits for an error there. */
const domainNames = async (): Promise<string[]> => {
  try {
    const found = await worlds(PATIENCE_MS);
    return found.flatMap(({ rows }) => rows.map(({ name }) => name)).filter((n) => WORD.test(n));
  } catch {
    return [];
  }
};

/** Every command below a program with its name as the library has it: `image show`. */
const commandsOf = (parent: Command, prefix = ''): (readonly [string, Command])[] =>
  parent.commands.flatMap((command) => {
    const name = `${prefix}${command.name()}`;
    return [[name, command] as const, ...commandsOf(command, `${name} `)];
  });

/** Has files and domains completed where they are meant. */
const fillIn = (root: RootCommand, from: Command, domains: readonly string[]): void => {
  let files = false;
  const fileHandler = (): void => {
    files = true;
  };
  const domainHandler: ArgumentHandler = (complete) => {
    for (const name of domains) complete(name, 'a running domain');
  };
  for (const [name, command] of commandsOf(from)) {
    const known = root.commands.get(name);
    for (const argument of known?.arguments.values() ?? []) {
      if (FILES.test(argument.name)) argument.handler = fileHandler;
      if (argument.name === 'domain') argument.handler = domainHandler;
    }
    for (const { long, flags } of command.options) {
      const option = known?.options.get(long?.slice('--'.length) ?? '');
      const [, value = ''] = /<(?:passt:)?(.*)>/.exec(flags) ?? [];
      if (option !== undefined && FILES.test(value)) option.handler = fileHandler;
    }
  }
  Object.defineProperty(root, 'directive', {
    configurable: true,
    get: () =>
      files
        ? ShellCompDirective.ShellCompDirectiveDefault
        : ShellCompDirective.ShellCompDirectiveNoFileComp,
    set: () => {},
  });
};

/** Adds `domu complete bash`, zsh, fish, powershell, and what their scripts ask: `domu complete -- WORDS`. */
export const completion = async (from: Command): Promise<void> => {
  const root = tab(from);
  const [, , command, dashes] = process.argv;
  const asked = command === 'complete' && dashes === '--';
  fillIn(root, from, asked ? await domainNames() : []);
  const setup = root.setup.bind(root);
  root.setup = (name, _, shell) => {
    if (shell === 'bash') process.stdout.write(`${bashScript(program())}\n`);
    else setup(name, program(), shell);
  };
};
