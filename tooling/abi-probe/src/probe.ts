import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cProgram, type Exports, fieldPaths } from './c-program.ts';

/** The lines that `abi` would print if it were C. */
const expectedLines = ({ structs, constants }: Exports): Map<string, string> => {
  const lines = new Map<string, string>();
  for (const [name, struct] of Object.entries(structs)) {
    lines.set(`size ${name}`, String(struct.size));
    for (const { path, offset, size, sign } of fieldPaths(struct)) {
      lines.set(`field ${name}.${path}`, `${offset} ${size} ${sign}`);
    }
  }
  for (const [name, value] of Object.entries(constants)) {
    lines.set(`constant ${name}`, String(value));
  }
  return lines;
};

/** Names that gcc says do not exist. */
const undeclared = (stderr: string): string[] => {
  const found = new Set<string>();
  for (const [, name] of stderr.matchAll(
    /error: (?:.*?)[‘'](.+?)[’'] (?:undeclared|has no member)/g,
  )) {
    found.add(name as string);
  }
  for (const [, name] of stderr.matchAll(/has no member named [‘'](.+?)[’']/g)) {
    found.add(name as string);
  }
  for (const [, name] of stderr.matchAll(
    /invalid application of [‘']sizeof[’'] to incomplete type [‘'](.+?)[’']/g,
  )) {
    found.add(name as string);
  }
  return [...found];
};

/** Compiles and runs the program. @returns its output, or the sentences of what C does not know */
const ask = (source: string): { output: string } | { unknown: string[] } => {
  const folder = mkdtempSync(join(tmpdir(), 'abi-probe-'));
  try {
    const file = join(folder, 'probe.c');
    const program = join(folder, 'probe');
    writeFileSync(file, source);
    try {
      execFileSync('gcc', ['-w', '-fmax-errors=0', '-o', program, file], {
        encoding: 'utf8',
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, LC_ALL: 'C' },
      });
    } catch (error) {
      const { stderr } = error as { stderr: string };
      const unknown = undeclared(stderr);
      if (unknown.length === 0)
        throw new Error(`gcc refused the program: ${stderr.slice(0, 2000)}`);
      return { unknown: unknown.map((name) => `${name}: expected in Xen's headers, not found`) };
    }
    return { output: execFileSync(program, { encoding: 'utf8', maxBuffer: 1 << 26 }) };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/**
 * Compares structs and constants with what the C headers say.
 * @returns a sentence for each difference; none when all agree
 */
export const probe = (exports: Exports): string[] => {
  const answer = ask(cProgram(exports));
  if ('unknown' in answer) return answer.unknown;
  const expected = expectedLines(exports);
  const differences: string[] = [];
  for (const line of answer.output.trimEnd().split('\n')) {
    const [kind, name, ...rest] = line.split(' ');
    const key = `${kind} ${name}`;
    const ours = expected.get(key);
    expected.delete(key);
    if (ours !== rest.join(' ')) {
      differences.push(`${key}: expected ${rest.join(' ')} (C), found ${ours} (abi)`);
    }
  }
  for (const key of expected.keys()) differences.push(`${key}: C says nothing of it`);
  return differences;
};
