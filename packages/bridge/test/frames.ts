import type { Frame, Station } from '../src/index.ts';

/** A station's address: 00:16:3e:00:00:NN. */
export const mac = (last: number): Uint8Array => Uint8Array.of(0, 0x16, 0x3e, 0, 0, last);

export const BROADCAST: Uint8Array = new Uint8Array(6).fill(0xff);

/** A frame of some bytes, of a type that nobody looks into. */
export const frame = (to: Uint8Array, from: Uint8Array, length = 60, fill = 0): Frame => {
  const bytes = new Uint8Array(length).fill(fill);
  bytes.set(to, 0);
  bytes.set(from, 6);
  bytes.set([0x88, 0xb5], 12);
  return { bytes, checksum: 'none' };
};

/** A station that keeps what it receives. */
export class Ear implements Station {
  readonly heard: Frame[] = [];
  receive(heard: Frame): void {
    this.heard.push(heard);
  }
}
