/*
 * Mbufs (mbuf(9)): a fixed pool of buffers in guest memory. What a frame is kept in while it waits: for the driver, for an
 * ARP answer, for the other fragments.
 *
 *     mbuf:  header in mbuf_data         cluster: 2 KiB, aligned to its size, so that it never crosses a page
 *            m_next     more of the same packet
 *            m_nextpkt  the next packet of a queue
 *            m_data     address within the cluster, m_len bytes
 *
 * A packet that is being looked at is not here: it is a transient array within one macro-instruction, so that nobody can
 * change bytes after they were checked, and nothing on the way up can leak.
 */
import { type Cpu, kassert } from '@port-xen/kern';
import { array, bytes, i64, struct, u32, u64, type View } from '@port-xen/layout';

export const MCLBYTES = 2048;
export const NMBCLUSTERS = 256;
/** Bytes copied in a nanosecond of virtual time. */
const BYTES_PER_NS = 4;

/** The checksum field of the transport header holds the pseudo-header's sum only (NETTXF_csum_blank). */
export const M_CSUM_BLANK = 1;
/** Somebody trusted has verified the transport checksum, or it never left the machine (NETRXF_data_validated). */
export const M_CSUM_VALIDATED = 2;

export const mbuf = struct('mbuf', {
  m_next: i64,
  m_nextpkt: i64,
  m_data: i64,
  m_len: u32,
  /** Bytes of the whole packet; in the first mbuf only. */
  m_pktlen: u32,
  /** M_CSUM_*; in the first mbuf only. */
  m_csum: u32,
  /** Where a fragment's bytes stand in the datagram; for reassembly. */
  m_off: u32,
  m_inuse: u32,
});

export const mbuf_data = struct('mbuf_data', {
  /** Free mbufs, linked by m_next; 0 before {@link Mbufs.init} and when all are in use. */
  m_free: i64,
  m_nfree: u32,
  /** Conservation: allocated = freed + in use. */
  m_allocated: u64,
  m_freed: u64,
  /** Requests that found the pool empty. */
  m_denied: u64,
  mbufs: array(mbuf, NMBCLUSTERS),
});

export const mbuf_clusters = struct('mbuf_clusters', { clusters: bytes(NMBCLUSTERS * MCLBYTES) });

export type Mbuf = View<typeof mbuf>;

export class Mbufs {
  readonly cpu: Cpu;
  readonly data: number;
  readonly clusters: number;

  constructor(cpu: Cpu, data: number, clusters: number) {
    this.cpu = cpu;
    this.data = data;
    this.clusters = clusters;
  }

  get d(): View<typeof mbuf_data> {
    return mbuf_data.at(this.cpu.memory, this.data);
  }

  at(address: number): Mbuf {
    return mbuf.at(this.cpu.memory, address);
  }

  /** Once, at boot. */
  init(): void {
    const d = this.d;
    for (let i = 0; i < NMBCLUSTERS; i++) {
      const m = d.mbufs.at(i);
      m.m_next = d.m_free;
      d.m_free = m.address;
    }
    d.m_nfree = NMBCLUSTERS;
  }

  get inUse(): number {
    return NMBCLUSTERS - this.d.m_nfree;
  }

  /** m_getcl(9): an empty mbuf. @returns 0 when all are in use */
  get(): number {
    const d = this.d;
    const address = d.m_free;
    if (address === 0) {
      d.m_denied++;
      return 0;
    }
    const m = this.at(address);
    d.m_free = m.m_next;
    d.m_nfree--;
    d.m_allocated++;
    this.cpu.memory.write(address, new Uint8Array(mbuf.size));
    m.m_inuse = 1;
    m.m_data = this.#clusterOf(address);
    return address;
  }

  #clusterOf(address: number): number {
    const index = (address - this.data - mbuf_data.offset.mbufs) / mbuf.size;
    return this.clusters + index * MCLBYTES;
  }

  /** m_freem(9): a packet, all its mbufs. */
  freem(packet: number): void {
    const d = this.d;
    for (let address = packet; address !== 0; ) {
      const m = this.at(address);
      kassert(
        m.m_inuse === 1,
        `mbuf 0x${address.toString(16)}: expected one in use, found it free`,
      );
      const next = m.m_next;
      m.m_inuse = 0;
      m.m_next = d.m_free;
      d.m_free = address;
      d.m_nfree++;
      d.m_freed++;
      address = next;
    }
  }

  /** Frees a queue of packets. */
  freeQueue(head: number): void {
    for (let packet = head; packet !== 0; ) {
      const next = this.at(packet).m_nextpkt;
      this.freem(packet);
      packet = next;
    }
  }

  /** A packet of these bytes, as many mbufs as they need. @returns 0 when the pool has not so many */
  fromBytes(packet: Uint8Array): number {
    if (this.d.m_nfree * MCLBYTES < Math.max(1, packet.length)) {
      this.d.m_denied++;
      return 0;
    }
    const first = this.get();
    let m = this.at(first);
    m.m_pktlen = packet.length;
    for (let at = 0; ; ) {
      const length = Math.min(MCLBYTES, packet.length - at);
      this.cpu.memory.write(m.m_data, packet.subarray(at, at + length));
      m.m_len = length;
      at += length;
      if (at === packet.length) break;
      m.m_next = this.get();
      m = this.at(m.m_next);
    }
    this.cpu.spend(Math.ceil(packet.length / BYTES_PER_NS));
    return first;
  }

  /** The bytes of a packet. */
  toBytes(packet: number): Uint8Array {
    const out = new Uint8Array(this.at(packet).m_pktlen);
    let at = 0;
    for (let address = packet; address !== 0; ) {
      const m = this.at(address);
      kassert(
        at + m.m_len <= out.length,
        'expected the mbufs of a packet to hold m_pktlen bytes, found more',
      );
      this.cpu.memory.read(m.m_data, out.subarray(at, at + m.m_len));
      at += m.m_len;
      address = m.m_next;
    }
    kassert(
      at === out.length,
      `expected the mbufs of a packet to hold ${out.length} bytes, found ${at}`,
    );
    this.cpu.spend(Math.ceil(out.length / BYTES_PER_NS));
    return out;
  }

  /** Puts bytes over those of a packet, from `at` on: within its first mbuf. */
  overwrite(packet: number, at: number, bytes: Uint8Array): void {
    const m = this.at(packet);
    kassert(
      at + bytes.length <= m.m_len,
      'expected the bytes to lie in the first mbuf of the packet',
    );
    this.cpu.memory.write(m.m_data + at, bytes);
  }
}
