import { xenstore_domain_interface, xsd_sockmsg } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { TestGuest, type TestGuestOptions } from '@tooling/guest-testbed';
import { image } from './probe.ts';

const RSP = xenstore_domain_interface.offset.rsp;

export const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** A whole message, as a xenstored of bad character would send it. */
export const message = (type: number, reqId: number, payload: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(xsd_sockmsg.size + payload.length);
  const header = xsd_sockmsg.at(new BytesMemory(bytes), 0);
  header.type = type;
  header.req_id = reqId;
  header.len = payload.length;
  bytes.set(payload, xsd_sockmsg.size);
  return bytes;
};

/** The probe kernel in a domain, and what the host does to it through xenstore. */
export class BusGuest extends TestGuest {
  constructor(options: TestGuestOptions) {
    super(image, options);
    this.settle();
    this.makeData();
  }

  get home(): string {
    return `/local/domain/${this.domid}`;
  }

  /** A directory that the domain may write. */
  makeData(): void {
    const { store } = this.host;
    store.mkdir(`${this.home}/data`);
    store.setPermissions(`${this.home}/data`, [{ domid: this.domid, access: 'n' }]);
  }

  /** Makes a toy, both ends in state Initialising; the back end's is in `backend`. */
  makeToy(id: number, values: Readonly<Record<string, string>> = {}): void {
    const { store } = this.host;
    const back = this.backendOf(id);
    store.transaction((tx) => {
      store.write(`${back}/state`, '1', tx);
      for (const path of [back, `${back}/state`]) {
        store.setPermissions(
          path,
          [
            { domid: 0, access: 'n' },
            { domid: this.domid, access: 'r' },
          ],
          tx,
        );
      }
      const front = `${this.home}/device/toy/${id}`;
      const nodes = { backend: back, 'backend-id': '0', state: '1', ...values };
      store.mkdir(front, tx);
      store.setPermissions(front, [{ domid: this.domid, access: 'n' }], tx);
      for (const [name, value] of Object.entries(nodes)) {
        store.write(`${front}/${name}`, value, tx);
        store.setPermissions(`${front}/${name}`, [{ domid: this.domid, access: 'n' }], tx);
      }
    });
  }

  backendOf(id: number): string {
    return `/local/domain/0/backend/toy/${this.domid}/${id}`;
  }

  setBackend(id: number, state: number): void {
    this.host.store.write(`${this.backendOf(id)}/state`, String(state));
    this.settle();
  }

  /** Lets what is under way end. */
  settle(): void {
    this.host.runFor(5e6);
  }

  /** What the driver, or a watch, has written down. */
  get log(): number[] {
    return Array.from({ length: this.call('probe_length') }, (_, i) => this.call('probe_log', i));
  }

  read(path: string): string | number {
    const result = this.call('xs_read', 0, path, this.replyAddress, 2048);
    return result < 0 ? result : String.fromCharCode(...this.reply.subarray(0, result));
  }

  write(path: string, value: string): number {
    return this.call('xs_write', 0, path, value);
  }

  /** The store page, with the host's eyes. */
  get storePage() {
    const mfn = Number(this.host.store.read(`${this.home}/store/ring-ref`));
    const mapping = this.host.hv.dom0.mapForeign(this.domid, mfn);
    return {
      ring: xenstore_domain_interface.at(mapping.memory, 0),
      unmap: () => mapping.unmap(),
    };
  }

  /** Puts bytes into the reply ring, as if xenstored had; the guest finds them with the next thing that xenstored says. */
  inject(...messages: readonly Uint8Array[]): void {
    const { ring, unmap } = this.storePage;
    for (const bytes of messages) {
      for (const byte of bytes) {
        ring.memory.st8(RSP + (ring.rsp_prod & 1023), byte);
        ring.rsp_prod = (ring.rsp_prod + 1) >>> 0;
      }
    }
    unmap();
  }
}
