/*
 * The same random requests to our daemon and to another one: every reply and every event that differs is printed.
 *
 *     node bench/differences.ts SOCKET [SEQUENCES [LENGTH [SEED]]]
 *
 * SOCKET is a running xenstored's; what is made there is below /port-xen-differences and gone at
 * the end. Which differences there are, and why, is in the SPEC of @port-xen/xenstore; with Xen's C
 * daemon none comes up here. Exits with 1 when something differed.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XS_DIRECTORY, XS_RM, XS_TRANSACTION_START } from '@port-xen/abi';
import { Sim } from '@port-xen/sim';
import { bytesOf, latin1, payloadOf, Xenstored, XenstoreError } from '@port-xen/xenstore';
import { Channel } from '../src/channel.ts';
import { XenstoreServer } from '../src/index.ts';
import { randomRequests, type Step } from './random-requests.ts';

const TOP = '/port-xen-differences';

/** A daemon and two clients of it. */
class Subject {
  readonly #channels: Channel[] = [];
  /** By client: what different clients are told has no order. */
  readonly #told: string[][] = [[], []];
  #transaction = 0;

  static async open(path: string): Promise<Subject> {
    const subject = new Subject();
    for (const client of [0, 1]) {
      const event = (changed: string, token: string): void => {
        subject.#told[client]?.push(`${client} told ${changed} ${token}`);
      };
      subject.#channels.push(await Channel.open(path, event, () => undefined));
    }
    return subject;
  }

  /** The reply, and the events that came of it: what is asked after it is answered after them. */
  async answer({ client, type, inside, words, tail }: Step): Promise<string> {
    const tx = inside ? this.#transaction : 0;
    const reply = await this.#ask(client, type, tx, payloadOf(words, bytesOf(tail)));
    if (type === XS_TRANSACTION_START) this.#transaction = Number.parseInt(reply, 10);
    for (const other of [0, 1]) await this.#ask(other, XS_DIRECTORY, 0, payloadOf(['/']));
    const shown = type === XS_TRANSACTION_START ? 'begun' : JSON.stringify(reply);
    return [shown, ...this.#told.flatMap((events) => events.splice(0))].join(', ');
  }

  async close(): Promise<void> {
    await this.#ask(0, XS_RM, 0, payloadOf([TOP]));
    await Promise.all(this.#channels.map((channel) => channel.close()));
  }

  async #ask(client: number, type: number, tx: number, payload: Uint8Array): Promise<string> {
    try {
      return latin1(await (this.#channels[client] as Channel).ask(type, tx, payload, 'request'));
    } catch (error) {
      if (error instanceof XenstoreError) return error.code;
      throw error;
    }
  }
}

const [socket, ...numbers] = process.argv.slice(2);
if (socket === undefined) {
  throw new Error('expected the socket of a xenstore daemon as the first argument, found none');
}
const [sequences = 100, length = 200, seed = 1] = numbers.map(Number);
const folder = mkdtempSync(join(tmpdir(), 'xenstore-differences-'));
const own = join(folder, 'socket');
const server = await XenstoreServer.listen(new Xenstored({ sim: new Sim(1) }), own);
let different = 0;
for (let i = 0; i < sequences; i++) {
  const [ours, theirs] = [await Subject.open(own), await Subject.open(socket)];
  for (const [at, step] of randomRequests(seed + i, length, TOP).entries()) {
    const [expected, found] = [await theirs.answer(step), await ours.answer(step)];
    if (expected === found) continue;
    different++;
    const { client, type, inside, words, tail } = step;
    const where = inside ? ' in its transaction' : '';
    console.log(
      `seed ${seed + i}, step ${at}: client ${client}, type ${type}${where}, ${words} ${tail}`,
    );
    console.log(`    theirs ${expected}\n    ours   ${found}`);
  }
  await Promise.all([ours.close(), theirs.close()]);
}
console.log(`${sequences} sequences of ${length} requests, ${different} different answers`);
await server.close();
rmSync(folder, { recursive: true });
process.exitCode = different > 0 ? 1 : 0;
