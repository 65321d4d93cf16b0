/*
 * A capture file in the making:
 *
 *     Section Header      once, first
 *     Interface Description   one for each interface, when it is added
 *     Enhanced Packet     a frame: interface, time, direction, bytes, comment
 *     Interface Statistics    one for each interface, at the end: frames captured, notes that no frame followed
 *
 * Times are nanoseconds since `epoch_s`, a number of seconds since 1970 that each interface states (if_tsoffset): a time since
 * 1970 in nanoseconds would not fit a Number.
 *
 * A note is about a moment, but pcapng has comments on frames only: it becomes the comment of the interface's next frame.
 */
import { block, MAX_OPTION_BYTES, type Option, wide, words } from './block.ts';
import { utf8 } from './utf8.ts';

const SECTION_HEADER = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION = 1;
const INTERFACE_STATISTICS = 5;
const ENHANCED_PACKET = 6;

const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
const VERSION_1_0 = 1;
const UNKNOWN_LENGTH = 0xffff_ffff;
const LINKTYPE_ETHERNET = 1;

const opt_comment = 1;
const shb_userappl = 4;
const if_name = 2;
const if_description = 3;
const if_MACaddr = 6;
const if_tsresol = 9;
const if_tsoffset = 14;
const epb_flags = 2;
const isb_endtime = 3;
const isb_ifrecv = 4;

const NANOSECONDS = 9;
const INBOUND = 1;
const OUTBOUND = 2;

/** Where frames are captured. */
export interface CaptureInterface {
  readonly name: string;
  /** What it is, for people. */
  readonly description?: string;
  /** Six bytes. */
  readonly mac?: Uint8Array;
  /** Bytes of a frame that are kept; 262144. */
  readonly snaplen?: number;
}

/** A frame as it passed. */
export interface CapturedFrame {
  /** Since the capture's `epoch_s`. */
  readonly time_ns: number;
  readonly bytes: Uint8Array;
  /** 'in' is towards the interface's owner. */
  readonly direction: 'in' | 'out';
}

interface Known {
  readonly snaplen: number;
  frames: number;
  notes: string[];
}

/** Text cut to what an option holds, at a character's end. */
const text = (value: string): Uint8Array => {
  const bytes = utf8(value);
  if (bytes.length <= MAX_OPTION_BYTES) return bytes;
  let end = MAX_OPTION_BYTES;
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
};

/** Writes a capture, block by block. */
export class PcapngWriter {
  readonly #write: (block: Uint8Array) => void;
  readonly #epoch_s: number;
  readonly #interfaces: Known[] = [];
  #last_ns = 0;

  /**
   * Writes the header.
   * @param write takes the file's next bytes; they are its own
   * @param about `application` made the file; times count from `epoch_s` seconds after 1970 (0)
   */
  constructor(
    write: (block: Uint8Array) => void,
    about: { readonly application: string; readonly epoch_s?: number },
  ) {
    this.#write = write;
    this.#epoch_s = about.epoch_s ?? 0;
    const body = words(BYTE_ORDER_MAGIC, VERSION_1_0, UNKNOWN_LENGTH, UNKNOWN_LENGTH);
    write(block(SECTION_HEADER, body, [[shb_userappl, text(about.application)]]));
  }

  /**
   * @returns the interface's number, counted from 0
   * @throws RangeError when the address is not six bytes
   */
  addInterface(about: CaptureInterface): number {
    const { name, description, mac, snaplen = 262_144 } = about;
    if (mac !== undefined && mac.length !== 6) {
      throw new RangeError(`expected an address of 6 bytes for ${name}, found ${mac.length}`);
    }
    const options: Option[] = [[if_name, text(name)]];
    if (description !== undefined) options.push([if_description, text(description)]);
    if (mac !== undefined) options.push([if_MACaddr, mac]);
    options.push([if_tsresol, Uint8Array.of(NANOSECONDS)], [if_tsoffset, wide(this.#epoch_s)]);
    this.#write(block(INTERFACE_DESCRIPTION, words(LINKTYPE_ETHERNET, snaplen), options));
    return this.#interfaces.push({ snaplen, frames: 0, notes: [] }) - 1;
  }

  /** Something happened that a reader of the interface's frames wants to know: the comment of its next one. */
  note(interfaceNumber: number, sentence: string): void {
    this.#known(interfaceNumber).notes.push(sentence);
  }

  /** Writes a frame, cut to the interface's snaplen. @throws RangeError when there is no such interface */
  frame(interfaceNumber: number, frame: CapturedFrame): void {
    const known = this.#known(interfaceNumber);
    const { time_ns, bytes, direction } = frame;
    const kept = bytes.subarray(0, known.snaplen);
    const body = new Uint8Array(20 + kept.length);
    body.set(words(interfaceNumber, ...timestamp(time_ns), kept.length, bytes.length));
    body.set(kept, 20);
    const options = known.notes.map((note): Option => [opt_comment, text(note)]);
    options.push([epb_flags, words(direction === 'in' ? INBOUND : OUTBOUND)]);
    this.#write(block(ENHANCED_PACKET, body, options));
    known.frames++;
    known.notes = [];
    this.#last_ns = Math.max(this.#last_ns, time_ns);
  }

  /** Writes each interface's count and what notes are left. */
  end(): void {
    for (const [number, { frames, notes }] of this.#interfaces.entries()) {
      const options = notes.map((note): Option => [opt_comment, text(note)]);
      const end = timestamp(this.#last_ns);
      options.push([isb_endtime, words(...end)], [isb_ifrecv, wide(frames)]);
      this.#write(block(INTERFACE_STATISTICS, words(number, ...end), options));
    }
  }

  #known(number: number): Known {
    const known = this.#interfaces[number];
    if (known !== undefined) return known;
    throw new RangeError(
      `expected the number of an interface below ${this.#interfaces.length}, found ${number}`,
    );
  }
}

/** High half first, unlike every other 64-bit word of the format. */
const timestamp = (time_ns: number): [number, number] => [
  Math.floor(time_ns / 0x1_0000_0000),
  time_ns % 0x1_0000_0000,
];
