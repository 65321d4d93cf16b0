/*
 * Xen's own restore code as a judge of images: xc_domain_restore of Debian's libxenguest, over a toy machine that
 * genuine-restore.c brings. It is compiled on the spot, with Debian's C compiler.
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

/**
 * Compiles the judge.
 *
 * @param folder where to put it
 * @returns a function from the paths of bare libxc streams to a verdict each
 * @throws Error a sentence, when it cannot be had or run
 */
export const genuineRestore = (
  folder: string,
): ((files: readonly string[]) => GenuineVerdict[]) => {
  debianPackage('libxen-dev', '/usr/include/xenguest.h');
  const compiler = debianPackage('gcc', '/usr/bin/gcc');
  const program = join(folder, 'genuine-restore');
  const source = fileURLToPath(new URL('genuine-restore.c', import.meta.url));
  run(compiler, ['-O1', '-rdynamic', '-o', program, source, ...LIBRARIES]);
  return (files) => {
    const verdicts: GenuineVerdict[] = [];
    for (let at = 0; at < files.length; at += BATCH) {
      for (const line of run(program, files.slice(at, at + BATCH))
        .trimEnd()
        .split('\n')) {
        const [name, words = ''] = line.split('\t');
        const verdict = VERDICTS.find((one) => one === name);
        if (verdict === undefined) throw new Error(`expected a verdict, found ${line}`);
        verdicts.push({ verdict, words });
      }
    }
    return verdicts;
  };
};
