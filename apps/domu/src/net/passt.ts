/*
 * Joins a host's bridge to a running passt, so that a guest's TCP peer is Linux's own stack:
 *
 *     bridge ── port ── u32 length (big-endian), Ethernet frame ── stream socket ── passt
 *
 * Real time: the world is held to it, and what comes in comes in at the time it is now, not at that of the world's last event.
 */
import { connect, type Socket } from 'node:net';
import { completed, type Port } from '@port-xen/bridge';
import type { Pace } from '../pace.ts';
import { reasonOf, UserError } from '../user-error.ts';
import type { World } from '../world.ts';

const LENGTH_BYTES = 4;
const FRAME_MAX = 65550;

/** The connection, while the world runs. */
export class Passt {
  readonly #socket: Socket;
  readonly #port: Port;
  readonly #world: World;
  readonly #pace: Pace;
  #got = Buffer.alloc(0);

  private constructor(socket: Socket, world: World, pace: Pace) {
    this.#socket = socket;
    this.#world = world;
    this.#pace = pace;
    this.#port = world.xenbr0.attach('passt', {
      receive: (frame) => {
        const { bytes } = completed(frame);
        const header = Buffer.alloc(LENGTH_BYTES);
        header.writeUInt32BE(bytes.length);
        socket.write(Buffer.concat([header, bytes]));
      },
    });
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', () => this.#port.detach());
    socket.on('close', () => this.#port.detach());
  }

  /** @throws UserError when nobody listens there */
  static open(path: string, world: World, pace: Pace): Promise<Passt> {
    return new Promise((settle, fail) => {
      const socket = connect(path);
      socket.once('error', (error) => fail(new UserError(`passt at ${path}: ${reasonOf(error)}`)));
      socket.once('connect', () => settle(new Passt(socket, world, pace)));
    });
  }

  #take(bytes: Buffer): void {
    this.#got = Buffer.concat([this.#got, bytes]);
    while (this.#got.length >= LENGTH_BYTES) {
      const length = this.#got.readUInt32BE(0);
      if (length > FRAME_MAX) {
        this.#socket.destroy();
        return;
      }
      if (this.#got.length < LENGTH_BYTES + length) break;
      const frame = Uint8Array.from(this.#got.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      this.#world.sim.at(this.#pace.now_ns, () => {
        this.#port.send({ bytes: frame, checksum: 'none' });
      });
      this.#got = this.#got.subarray(LENGTH_BYTES + length);
    }
    this.#pace.wake();
  }

  close(): void {
    this.#socket.destroy();
  }
}
