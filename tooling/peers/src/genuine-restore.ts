/*
 * Xen's own restore code as a judge of images: xc_domain_restore of Debian's libxenguest, over a toy machine that the C files
 * in genuine/ bring. They are compiled on the spot, with Debian's C compiler.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianPackage } from './debian-package.ts';

/** What genuine code makes of an image. */
export interface GenuineVerdict {
  readonly verdict: 'restored' | 'refused' | 'aborted';
  /** Its first complaint. */
  readonly words: string;
}

const SOURCES = ['main', 'machine', 'hypercall', 'domctl'];
const LIBRARIES = ['-lxenguest', '-lxenctrl', '-lxentoollog'];
/** Files for one process: a command line has its limits. */
const BATCH = 500;

const run = (command: string, args: readonly string[]): string => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`expected ${command} to run, found ${error?.message ?? stderr}`);
  }
  return stdout;
};

const VERDICTS = ['restored', 'refused', 'aborted'] as const;

/** Genuine restore and save code, compiled. Paths are those of bare libxc streams. */
export interface GenuineXen {
  /** A verdict for each file. */
  judge(files: readonly string[]): GenuineVerdict[];
  /** Restores `from` and saves the domain again into `to`. */
  rewrite(from: string, to: string): GenuineVerdict;
}

const verdictOf = (line: string): GenuineVerdict => {
  const [name, words = ''] = line.split('\t');
  const verdict = VERDICTS.find((one) => one === name);
  if (verdict === undefined) throw new Error(`expected a verdict, found ${line}`);
  return { verdict, words };
};

/**
 * Compiles genuine code's machine.
 *
 * @param folder where to put it
 * @throws Error a sentence, when it cannot be had or run
 */
export const genuineRestore = (folder: string): GenuineXen => {
  debianPackage('libxen-dev', '/usr/include/xenguest.h');
  const compiler = debianPackage('gcc', '/usr/bin/gcc');
  const program = join(folder, 'genuine-restore');
  const sources = SOURCES.map((name) =>
    fileURLToPath(new URL(`genuine/${name}.c`, import.meta.url)),
  );
  run(compiler, ['-O1', '-rdynamic', '-o', program, ...sources, ...LIBRARIES]);
  const verdicts = (args: readonly string[]): GenuineVerdict[] =>
    run(program, args).trimEnd().split('\n').map(verdictOf);
  return {
    judge: (files) => {
      const all: GenuineVerdict[] = [];
      for (let at = 0; at < files.length; at += BATCH) {
        all.push(...verdicts(files.slice(at, at + BATCH)));
      }
      return all;
    },
    rewrite: (from, to) => verdicts(['--again', from, to])[0] as GenuineVerdict,
  };
};
