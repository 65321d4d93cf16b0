/*
 * A disk of 64 MiB (or of so many as the argument says) is fetched by one guest from another over wires that lose, delay and reorder.
 * Both are saved at moments drawn from all of the transfer, and go on in another process, which has their save files and the disk
 * and nothing else; in each process one of them changes hosts meanwhile.
 *
 *     big-transfer [MIB]                  all of it
 *     big-transfer --leg FOLDER NUMBER    one process of it
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '@port-xen/sim';
import { memoryDisk } from '@tooling/testbed';
import { makeGuest } from '../../src/guest.ts';
import { randomBytes } from '../cycle.ts';
import { LOSSY, NetWorld, type Traveller } from '../net/net-world.ts';

const MIB = 2 ** 20;
const DEFAULT_MIB = 64;
/** Events of the world that the transfer of a MiB takes, about. */
const EVENTS_PER_MIB = 18_000;
/** Processes that a transfer goes through, about. */
const LEGS = 8;
const LEGS_MAX = 100;
/** A leg says so when the client has not ended. */
const GOES_ON = 'goes on\n';

/** One process: wakes or boots both guests, moves one of them, and saves both unless the client has ended. */
const leg = (folder: string, number: number): void => {
  const file = (name: string) => join(folder, name);
  const bytes = readFileSync(file('disk'));
  const digest = createHash('sha256').update(bytes).digest('hex');
  const random = new Random(number, 'legs');
  const world = new NetWorld({
    guest: makeGuest(false),
    seed: 1000 + number,
    firstSlot: (number * 5) % 60,
    quality: LOSSY,
  });
  world.keepsFrames = false;
  let client: Traveller | undefined;
  let early = 0;
  world.onReset = () => {
    if (client?.text.includes(digest) !== true) early++;
  };
  const disks = { xvda: memoryDisk(bytes) };
  let server: Traveller;
  if (existsSync(file('client'))) {
    server = world.arrive('server', readFileSync(file('server')), disks);
    client = world.arrive('client', readFileSync(file('client')), {});
  } else {
    server = world.boot('server', { address: 1, program: 'httpd /dev/xbd0', disks });
    world.untilPrinted(server, 'port 80');
    client = world.boot('client', { address: 2, program: 'httpget http://10.9.0.1/disk' });
  }
  const most = ((2 * bytes.length) / MIB / LEGS) * EVENTS_PER_MIB;
  const mover = random.below(2) === 0 ? server : client;
  for (const last of [false, true]) {
    const { ended } = client;
    if (ended === undefined) {
      const one = client;
      world.runEvents(random.between(1, most / 2), () => one.ended !== undefined);
    }
    if (client.ended !== undefined) break;
    const images = (last ? [server, client] : [mover]).map((who) => world.save(who));
    for (const image of images) {
      if (image === undefined) continue;
      if (last) writeFileSync(file(image.of.name), image.bytes);
      else world.restore(image);
    }
  }
  const audit = world.audit();
  if (audit.length > 0) throw new Error(audit.join('\n'));
  if (early > 0) throw new Error(`expected no reset before the end, found ${early}`);
  process.stdout.write(client.ended === undefined ? GOES_ON : client.text);
};

const whole = (mib: number): number => {
  const folder = mkdtempSync(join(tmpdir(), 'domu-transfer-'));
  try {
    const bytes = randomBytes(mib * MIB, 64);
    writeFileSync(join(folder, 'disk'), bytes);
    const digest = createHash('sha256').update(bytes).digest('hex');
    for (let number = 0; number < LEGS_MAX; number++) {
      const start = performance.now();
      const argv = [fileURLToPath(import.meta.url), '--leg', folder, String(number)];
      const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      process.stdout.write(`process ${number + 1}: ${seconds} s\n`);
      if (status !== 0) {
        process.stdout.write(`failed: ${stderr}`);
        return 1;
      }
      if (stdout === GOES_ON) continue;
      const good = stdout.includes(digest);
      process.stdout.write(
        `${mib} MiB through ${number + 1} processes: ${good ? 'the digest is right' : `failed: ${stdout}`}\n`,
      );
      return good ? 0 : 1;
    }
    process.stdout.write(`failed: not over after ${LEGS_MAX} processes\n`);
    return 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const [first, folder = '', number] = process.argv.slice(2);
if (first === '--leg') leg(folder, Number(number));
else process.exitCode = whole(Number(first ?? DEFAULT_MIB));
