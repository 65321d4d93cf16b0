/*
 * The table of sockets (uipc_socket.c, uipc_socket2.c): made, found, woken, queued on listeners, given back.
 */
import type { Cpu, Sched } from '@port-xen/kern';
import { array, struct, type View } from '@port-xen/layout';
import { sbappend, sbdrop, sbpeek, sbspace } from './sockbuf.ts';
import {
  NSOCKET,
  SB_MAX,
  SOCK_STREAM,
  type Socket,
  SS_CANTRCVMORE,
  SS_CANTSENDMORE,
  SS_INQUEUE,
  SS_ISCONNECTED,
  SS_ISCONNECTING,
  SS_NOFDREF,
  socket,
} from './socket-var.ts';

export const socket_data = struct('socket_data', { sockets: array(socket, NSOCKET) });

/** Bytes in front of each datagram in a receive ring: length, address, port. */
const RECORD_LEN = 12;

/** A datagram and who sent it. */
export interface Received {
  readonly addr: number;
  readonly port: number;
  readonly bytes: Uint8Array;
}

export class Sockets {
  readonly cpu: Cpu;
  readonly data: number;
  readonly rings: number;
  readonly sched: Sched;

  constructor(cpu: Cpu, data: number, rings: number, sched: Sched) {
    this.cpu = cpu;
    this.data = data;
    this.rings = rings;
    this.sched = sched;
  }

  at(address: number): Socket {
    return socket.at(this.cpu.memory, address);
  }

  /** The sockets in use. */
  all(): Socket[] {
    const { sockets } = this.#d;
    const used: Socket[] = [];
    for (let i = 0; i < NSOCKET; i++) {
      const so = sockets.at(i);
      if (so.so_type !== 0) used.push(so);
    }
    return used;
  }

  get #d(): View<typeof socket_data> {
    return socket_data.at(this.cpu.memory, this.data);
  }

  /** A new socket without a descriptor. @returns undefined when all are in use */
  create(type: number, proto: number): Socket | undefined {
    const { sockets } = this.#d;
    for (let i = 0; i < NSOCKET; i++) {
      const so = sockets.at(i);
      if (so.so_type !== 0) continue;
      this.cpu.memory.write(so.address, new Uint8Array(socket.size));
      so.so_type = type;
      so.so_proto = proto;
      so.so_state = SS_NOFDREF;
      const dev = so.so_cdev;
      dev.d_softc = so.address;
      dev.d_read = this.cpu.sym('soo_read');
      dev.d_write = this.cpu.sym('soo_write');
      dev.d_close = this.cpu.sym('soo_close');
      [so.so_rcv, so.so_snd].forEach((sb, half) => {
        sb.sb_data = this.rings + (2 * i + half) * SB_MAX;
        sb.sb_hiwat = SB_MAX;
      });
      return so;
    }
    return undefined;
  }

  /** Whether a descriptor's device is a socket of this table. */
  isSocket(cdevAddress: number): boolean {
    const index = (cdevAddress - this.data) / socket.size;
    return Number.isInteger(index) && index >= 0 && index < NSOCKET;
  }

  /** The socket goes back unless somebody still refers to it. */
  sofree(so: Socket): void {
    if ((so.so_state & SS_NOFDREF) === 0 || so.so_pcb !== 0) return;
    if ((so.so_state & SS_INQUEUE) !== 0) return;
    so.so_type = 0;
  }

  sorwakeup(so: Socket): void {
    this.sched.wakeup(so.so_rcv.address);
  }

  sowwakeup(so: Socket): void {
    this.sched.wakeup(so.so_snd.address);
  }

  soisconnecting(so: Socket): void {
    so.so_state = (so.so_state & ~SS_ISCONNECTED) | SS_ISCONNECTING;
  }

  soisconnected(so: Socket): void {
    so.so_state = (so.so_state & ~SS_ISCONNECTING) | SS_ISCONNECTED;
    this.sorwakeup(so);
    this.sowwakeup(so);
  }

  soisdisconnected(so: Socket): void {
    so.so_state =
      (so.so_state & ~(SS_ISCONNECTING | SS_ISCONNECTED)) | SS_CANTRCVMORE | SS_CANTSENDMORE;
    this.sorwakeup(so);
    this.sowwakeup(so);
  }

  socantsendmore(so: Socket): void {
    so.so_state |= SS_CANTSENDMORE;
    this.sowwakeup(so);
  }

  socantrcvmore(so: Socket): void {
    so.so_state |= SS_CANTRCVMORE;
    this.sorwakeup(so);
  }

  /** A connection that came to a listening socket, for it to be accepted: queued last. @returns undefined without room */
  sonewconn(head: Socket): Socket | undefined {
    if (head.so_qlen >= head.so_qlimit) return undefined;
    const so = this.create(SOCK_STREAM, head.so_proto);
    if (so === undefined) return undefined;
    so.so_options = head.so_options;
    so.so_rcv.sb_hiwat = head.so_rcv.sb_hiwat;
    so.so_snd.sb_hiwat = head.so_snd.sb_hiwat;
    so.so_state |= SS_INQUEUE;
    so.so_head = head.address;
    if (head.so_q === 0) head.so_q = so.address;
    else {
      let last = this.at(head.so_q);
      while (last.so_next !== 0) last = this.at(last.so_next);
      last.so_next = so.address;
    }
    head.so_qlen++;
    this.sorwakeup(head);
    return so;
  }

  /** Takes the oldest connection off a listening socket's queue. */
  soqremque(head: Socket): Socket | undefined {
    if (head.so_q === 0) return undefined;
    const so = this.at(head.so_q);
    head.so_q = so.so_next;
    head.so_qlen--;
    so.so_next = 0;
    so.so_head = 0;
    so.so_state &= ~SS_INQUEUE;
    return so;
  }

  /** Adds a datagram. @returns false when the buffer has no room for it */
  sbappendaddr(so: Socket, addr: number, port: number, bytes: Uint8Array): boolean {
    const sb = so.so_rcv;
    if (sbspace(sb) < RECORD_LEN + bytes.length) return false;
    const header = new Uint32Array([bytes.length, addr, port]);
    sbappend(this.cpu.memory, sb, new Uint8Array(header.buffer));
    sbappend(this.cpu.memory, sb, bytes);
    this.sorwakeup(so);
    return true;
  }

  /** Takes the oldest datagram; undefined when there is none. */
  takeDatagram(so: Socket): Received | undefined {
    const sb = so.so_rcv;
    if (sb.sb_cc === 0) return undefined;
    const header = new Uint32Array(3);
    sbpeek(this.cpu.memory, sb, 0, new Uint8Array(header.buffer));
    const bytes = new Uint8Array(header[0] as number);
    sbpeek(this.cpu.memory, sb, RECORD_LEN, bytes);
    sbdrop(sb, RECORD_LEN + bytes.length);
    return { addr: header[1] as number, port: header[2] as number, bytes };
  }
}
