/*
 * Guests of 1024 to 6144 MiB (or of the sizes given as arguments) boot, hash a disk, are saved in the midst of it, and finish in another
 * process. What Xen's verifier thinks of the files is asked, too.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyStream } from '@tooling/peers';
import { randomBytes } from '../cycle.ts';
import { configure, domu, lastLine } from '../domu.ts';

const SIZES_MIB = [1024, 2048, 4096, 6144];

const folder = mkdtempSync(join(tmpdir(), 'domu-big-'));
const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : SIZES_MIB;
const contents = randomBytes(5 * 2 ** 20 + 512, 6144);
const digest = createHash('sha256').update(contents).digest('hex');
const disk = join(folder, 'disk.img');
let failed = 0;
try {
  writeFileSync(disk, contents);
  for (const memory of sizes) {
    const config = configure(join(folder, 'big.cfg'), {
      memory,
      disk: [`${disk},raw,xvda,r`],
      extra: 'init=sha256 /dev/xbd0',
    });
    const image = join(folder, 'big.save');
    const start = performance.now();
    const saved = domu('create', config, '--save', image, '--at', 'io:40');
    const between = performance.now();
    const accepted = saved.status === 0 && verifyStream(image).accepted;
    const from = performance.now();
    const restored = domu('restore', image);
    const end = performance.now();
    const good = accepted && restored.status === 0 && lastLine(restored.stdout) === digest;
    if (!good) failed++;
    process.stdout.write(
      `${memory} MiB: saved in ${((between - start) / 1000).toFixed(1)} s, restored and finished in ` +
        `${((end - from) / 1000).toFixed(1)} s: ${good ? 'the digest is right' : `failed: ${saved.stderr}${restored.stderr}`}\n`,
    );
    rmSync(image, { force: true });
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed === 0 ? 0 : 1;
