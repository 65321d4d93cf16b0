/*
 * A domain that runs a test kernel, as the test sees it: it calls the kernel's symbols, saves and restores the domain, and
 * reads what it prints. Everything goes the way it goes on a real host; commands come through a page that the kernel shows
 * the host and an event channel.
 */
import { elfFile, type KernelImage, L_USER, TextEngine } from '@port-xen/kern';
import { cString } from '@port-xen/layout';
import { type BootOptions, createHost, type MemoryDisk, type TestHost } from '@tooling/testbed';
import { command } from './test-data.ts';

/** Both ways in which guest tests are run: with the kernel's objects kept, and with amnesia. */
export const MODES = [
  ['plain', { amnesia: false }],
  ['amnesia', { amnesia: true }],
] as const;

export interface TestGuestOptions {
  readonly amnesia?: boolean;
  readonly host?: TestHost;
  readonly memoryMib?: number;
  readonly disks?: Readonly<Record<string, MemoryDisk>>;
  readonly readonlyDisks?: readonly string[];
  /** Whatever else is to differ from a plain domain. */
  readonly config?: BootOptions['config'];
}

/** How a save file is restored. */
export interface RestoreOptions {
  /** Where, if not on the next host. */
  readonly host?: TestHost;
  /** By vdev, if they are not those of the boot. */
  readonly disks?: Readonly<Record<string, MemoryDisk>>;
  /** What the host does between making the domain and letting it run. */
  readonly beforeItRuns?: () => void;
}

const WHERE = /test: life (\d+) command (\d+) mfn (\d+) suspend (\d+)\n/g;
/** The command page: the command, six strings, an answer. */
const TEXT_AT = 512;
const TEXT_MAX = 256;
const REPLY_AT = 2048;
const PRI_KTHREAD = 128;
const PRI_USER = 64;

/** A booted domain and the host it is on at the moment. */
export class TestGuest {
  readonly image: KernelImage;
  readonly options: TestGuestOptions;
  host: TestHost;
  domid: number;
  /** What the last call left at {@link replyAddress}. */
  reply: Uint8Array = new Uint8Array(0);

  constructor(image: KernelImage, options: TestGuestOptions = {}) {
    this.image = image;
    this.options = options;
    this.host = options.host ?? createHost({ mib: 32 });
    const { memoryMib = 8, disks = {}, readonlyDisks = [], config = {} } = options;
    const engine = this.#engine();
    const elf = elfFile(image);
    this.domid = this.host.bootKernel({ elf, engine, memoryMib, disks, readonlyDisks, config });
    this.#awaitWhere();
  }

  #engine(): TextEngine {
    return new TextEngine(this.image, { amnesia: this.options.amnesia ?? false });
  }

  #awaitWhere(): void {
    this.until('test: life ');
    this.until('\n');
  }

  #where(): { command: number; mfn: number; suspend: number } {
    const [, , port, mfn, suspend] = [...this.console.matchAll(WHERE)].at(-1) as RegExpExecArray;
    return { command: Number(port), mfn: Number(mfn), suspend: Number(suspend) };
  }

  /** All that the domain has printed on this host. */
  get console(): string {
    return this.host.consoleText(this.domid);
  }

  /** Runs until the domain prints `text`. @returns what it printed up to there, from the last `until` on */
  until(text: string): string {
    return this.host.runUntilConsole(this.domid, text);
  }

  /** Where the kernel can put an answer of 2 KiB, which is found in {@link reply} after the call. */
  get replyAddress(): number {
    return this.#page + REPLY_AT;
  }

  get #page(): number {
    return this.image.data.testbed_pages as number;
  }

  /**
   * Has the kernel call a symbol, and waits for the result.
   * @param args a string is put into the kernel's memory, NUL-terminated, and its address passed
   * @throws what the console shows when the kernel panics
   */
  call(symbol: string, ...args: readonly (number | string)[]): number {
    const { hv } = this.host;
    const { command: remote, mfn } = this.#where();
    const mapping = hv.dom0.mapForeign(this.domid, mfn);
    const port = hv.dom0.bindInterdomain(this.domid, remote, () => {});
    const c = command.at(mapping.memory, 0);
    const before = c.answered;
    for (let i = 0; i < 6; i++) {
      const arg = args[i] ?? 0;
      const at = TEXT_AT + i * TEXT_MAX;
      if (typeof arg === 'string') mapping.memory.write(at, cString(arg));
      c.arg.set(i, typeof arg === 'string' ? this.#page + at : arg);
    }
    c.func = this.image.sym(symbol);
    c.asked = 1;
    mapping.markDirty();
    hv.dom0.notify(port);
    const over = (): boolean => c.answered !== before || this.shutdown;
    try {
      this.host.runUntil(`${symbol} to return; the console says:\n${this.console}`, over, 120e9);
      if (c.answered === before) {
        this.host.runFor(1e6);
        throw new Error(this.console.split('\n').at(-2));
      }
      this.reply = mapping.bytes.slice(REPLY_AT);
      return c.result;
    } finally {
      mapping.unmap();
      hv.dom0.close(port);
    }
  }

  /** Whether the domain has shut down: after a panic, mostly. */
  get shutdown(): boolean {
    return this.host.hv.domctl.getDomainInfo(this.domid).shutdown;
  }

  /** Starts a kernel lwp, which is not waited for. */
  spawn(symbol: string, arg = 0): void {
    this.call('test_spawn', this.image.sym(symbol), arg, 0, PRI_KTHREAD);
  }

  /** Starts an lwp that is held while the domain is suspended, as a program's is. */
  spawnUser(symbol: string, arg = 0): void {
    this.call('test_spawn', this.image.sym(symbol), arg, L_USER, PRI_USER);
  }

  #announceSuspend(): void {
    const { suspend } = this.#where();
    if (suspend === 0) return;
    const node = `/local/domain/${this.domid}/device/suspend/event-channel`;
    this.host.store.write(node, String(suspend));
  }

  /** The domain's save file; the domain is gone. */
  save(): Uint8Array {
    this.#announceSuspend();
    return this.host.saveToBytes(this.domid);
  }

  /**
   * Saves, and goes on: the suspend is cancelled.
   * @param resume 'reset' makes the guest believe that it was restored
   */
  checkpoint(resume: 'cooperative' | 'reset' = 'cooperative'): Uint8Array {
    this.#announceSuspend();
    const image = this.host.saveToBytes(this.domid, { checkpoint: true, resume });
    this.#awaitWhere();
    return image;
  }

  /** Restores a save file, on the next host unless another is given: other frames, domids, ports, uptime and TSC. */
  restore(image: Uint8Array, options: RestoreOptions = {}): void {
    this.host = options.host ?? createHost({ mib: 32, slot: this.host.hv.slot + 1, seed: 2 });
    const { disks = {} } = { ...this.options, ...options };
    this.domid = this.host.restoreFromBytes(image, this.#engine(), { disks });
    options.beforeItRuns?.();
    this.#awaitWhere();
  }

  /** Saves and restores. */
  move(options: RestoreOptions = {}): void {
    this.restore(this.save(), options);
  }
}
