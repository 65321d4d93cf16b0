import { type DomainConfig, isDomainName } from '@port-xen/toolstack';
import { type Command, InvalidArgumentError } from 'commander';
import { checkKernel } from './check-kernel.ts';
import { checkDisks, readConfig } from './create-command.ts';
import { FileSource } from './file-stream.ts';
import { makeGuest, variantOf } from './guest.ts';
import { slotPlan } from './host-options.ts';
import { type Run, runDomain } from './run-domain.ts';
import { addRunFlags, type RunFlags } from './run-options.ts';
import { memoryOf, readSaveFile, type SaveFile } from './save-file.ts';
import { UserError } from './user-error.ts';

const hex = (value: number): string => `0x${value.toString(16)}`;

/** A domain's interface is its kernel's, whatever configuration it is restored with. @throws UserError */
const ofItsInterface = (given: DomainConfig, file: SaveFile, path: string): DomainConfig => {
  const { interface: saved = 'xen-3.0' } = file.config ?? {};
  const { interface: wanted = saved } = given;
  if (wanted === saved) return saved === 'xen-3.0' ? given : { ...given, interface: saved };
  throw new UserError(
    `expected interface="${saved}", which the domain in ${path} has, found interface="${wanted}"`,
  );
};

interface RestoreFlags extends RunFlags {
  readonly name?: string;
}

const named = (config: DomainConfig | undefined, name: string): DomainConfig | undefined =>
  config && { ...config, name };

const nameOf = (text: string): string => {
  if (isDomainName(text)) return text;
  throw new InvalidArgumentError(
    `expected 1 to 128 printable characters without blanks, found ${JSON.stringify(text)}.`,
  );
};

/** Restores FILE and runs the domain. @returns the exit status */
export const restoreFile = async (
  path: string,
  configPath: string | undefined,
  flags: RestoreFlags,
  watch: Pick<Run, 'console' | 'onStory' | 'onSave' | 'onRequest'> = {},
): Promise<number> => {
  const file = readSaveFile(path);
  if (file.header === undefined) {
    throw new UserError(`${path}: File has wrong magic number - corrupt or for a different tool?`);
  }
  const { mandatory_flags, optional_flags, optional_data_len } = file.header;
  process.stderr.write(
    `Loading new save file ${path} (new xl fmt info ${hex(mandatory_flags)}/${hex(optional_flags)}/${optional_data_len})\n`,
  );
  if (file.format === 'json') {
    process.stderr.write(' Savefile contains xl domain config in JSON format\n');
  }
  if (configPath === undefined) process.stderr.write('Parsing config from <saved>\n');
  const given = configPath === undefined ? undefined : readConfig(configPath, [], flags.seed);
  const other = given === undefined ? undefined : ofItsInterface(given, file, path);
  const config = flags.name === undefined ? other : named(other ?? file.config, flags.name);
  const wanted = config ?? file.config;
  if (wanted !== undefined) checkDisks(wanted);
  const guest = makeGuest(flags.amnesia ?? false, variantOf(wanted?.interface));
  return runDomain({
    flags,
    guest,
    memory_mib: Math.max(memoryOf(file), Math.ceil((config?.maxMem_kib ?? 0) / 1024)),
    // Another machine than the one it was saved on: other frames, another uptime, another TSC.
    slot: file.slot === undefined ? 0 : (file.slot + 1) % slotPlan(guest.interface).slots,
    arrival: `from ${path}`,
    ...watch,
    make: (world) => {
      const source = new FileSource(path);
      try {
        const { domid, warnings } = world.xl.restore(source, {
          ...(config === undefined ? {} : { config }),
          checkKernel: (pageAt) => checkKernel(pageAt, guest.buildId),
        });
        for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
        world.xl.unpause(domid);
        return domid;
      } finally {
        source.close();
      }
    },
  });
};

/** `domu restore [CONFIG] FILE`. */
export const restoreCommand = (program: Command): void => {
  addRunFlags(
    program
      .command('restore')
      .description('make a domain from a save file and run it on')
      .usage('[options] [config] <file>')
      .argument(
        '<config-or-file>',
        'a save file, or a configuration to use instead of the one in it',
      )
      .argument('[file]', 'the save file, when a configuration came first')
      .option(
        '--name <name>',
        'what it is to be called, if not as it was when it was saved',
        nameOf,
      ),
  ).action(async (first: string, second: string | undefined, flags: RestoreFlags) => {
    const [config, path] = second === undefined ? [undefined, first] : [first, second];
    process.exitCode = await restoreFile(path, config, flags);
  });
};
