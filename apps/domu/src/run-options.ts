/*
 * The flags that `create` and `restore` share.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { type HostOptions, readHostOption } from './host-options.ts';
import type { SavePlan } from './session.ts';
import { UserError } from './user-error.ts';
import { parseWhen } from './when.ts';

export interface RunFlags {
  readonly seed: number;
  readonly host: HostOptions;
  readonly save?: string;
  readonly at?: string;
  readonly continue?: boolean;
  readonly amnesia?: boolean;
  readonly traceHash?: boolean;
  readonly verbose?: boolean;
  readonly console?: boolean;
  readonly pcap?: string;
  readonly xenstore?: string;
  readonly net?: string;
}

const seed = (text: string): number => {
  const value = Number(text);
  if (/^\d+$/.test(text) && value < 2 ** 32) return value;
  throw new InvalidArgumentError(`expected a number below 2^32, found ${JSON.stringify(text)}.`);
};

const host = (text: string, options: HostOptions): HostOptions => {
  const into = { ...options };
  readHostOption(text, into, () => Date.now() * 1e6);
  return into;
};

/** Adds the flags to a command. */
export const addRunFlags = (command: Command): Command =>
  command
    .option('--seed <n>', 'seed of the world: everything that is drawn is drawn from it', seed, 1)
    .option(
      '--host <key=value>',
      'slot=0..63, uptime=SECONDS, tsc-khz=KHZ, wallclock=SECONDS|now, drift-ppb=N, handles=plain|disjoint',
      host,
      {},
    )
    .option('--save <file>', 'save the domain into FILE; needs --at')
    .option('--at <when>', 'io:N, ns:N, event:N or console:TEXT')
    .option('--continue', 'leave the domain running after the save (a checkpoint)')
    .option('--amnesia', "throw the guest's objects away before every macro-instruction")
    .option(
      '--trace-hash',
      'end stderr with a digest of everything that crossed the hypercall line',
    )
    .option('-c, --console', 'type stdin at the console; virtual time goes with real time')
    .option('--xenstore <socket>', "serve the host's xenstore there, for xenstore-ls and its like")
    .option('--pcap <file>', 'write what passes the network interfaces, for tshark')
    .option('--net <passt:socket>', 'join the bridge to a running passt, in real time')
    .option('-v, --verbose', 'tell on stderr what each subsystem does');

/** The save that the flags ask for. @throws UserError */
export const savePlan = (flags: RunFlags): SavePlan | undefined => {
  if (flags.save === undefined && flags.at === undefined) {
    if (flags.continue) throw new UserError('--continue needs --save FILE --at WHEN');
    return undefined;
  }
  if (flags.save === undefined) throw new UserError('--at needs --save FILE');
  if (flags.at === undefined) throw new UserError('--save needs --at WHEN');
  return { path: flags.save, when: parseWhen(flags.at), checkpoint: flags.continue ?? false };
};
