/*
 * A domain that runs a test kernel, as the test sees it: it calls the kernel's symbols, saves and restores the domain, and
 * reads what it prints. Everything goes the way it goes on a real host; commands come through a page that the kernel shows
 * the host and an event channel.
 */
import { elfFile, type KernelImage, L_USER, TextEngine } from '@port-xen/kern';
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

const WHERE = /test: life (\d+) command (\d+) mfn (\d+) suspend (\d+)\n/g;
const PRI_KTHREAD = 128;
const PRI_USER = 64;

/** A booted domain and the host it is on at the moment. */
export class TestGuest {
  readonly image: KernelImage;
  readonly options: TestGuestOptions;
  host: TestHost;
  domid: number;

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

  /** Has the kernel call a symbol, and waits for the result. @throws what the console shows when the kernel panics */
  call(symbol: string, ...args: readonly number[]): number {
    const { hv } = this.host;
    const { command: remote, mfn } = this.#where();
    const mapping = hv.dom0.mapForeign(this.domid, mfn);
    const port = hv.dom0.bindInterdomain(this.domid, remote, () => {});
    const c = command.at(mapping.memory, 0);
    const before = c.answered;
    for (let i = 0; i < 6; i++) c.arg.set(i, args[i] ?? 0);
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

  /** Saves, and goes on: the suspend is cancelled. */
  checkpoint(): Uint8Array {
    this.#announceSuspend();
    const image = this.host.saveToBytes(this.domid, { checkpoint: true });
    this.#awaitWhere();
    return image;
  }

  /** Restores a save file, on the next host unless another is given: other frames, domids, ports, uptime and TSC. */
  restore(image: Uint8Array, host?: TestHost): void {
    this.host = host ?? createHost({ mib: 32, slot: this.host.hv.slot + 1, seed: 2 });
    const { disks = {} } = this.options;
    this.domid = this.host.restoreFromBytes(image, this.#engine(), { disks });
    this.#awaitWhere();
  }

  /** Saves and restores. */
  move(host?: TestHost): void {
    this.restore(this.save(), host);
  }
}
