/*
 * ping ADDRESS [COUNT]: sends an ICMP echo request each second and prints the answers. Without COUNT, for ever.
 *
 *     request   type 8 | code 0 | checksum | id | sequence | time it was sent, seconds and nanoseconds | 40 bytes
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS_clock_gettime,
  SYS_getpid,
  SYS_nanosleep,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, struct, u32, u64, type View } from '@port-xen/layout';
import {
  AF_INET,
  IPPROTO_ICMP,
  MSG_DONTWAIT,
  SO_RCVTIMEO,
  SOCK_RAW,
  SOCKADDR_IN_LEN,
  SOL_SOCKET,
  SYS_recvfrom,
  SYS_sendto,
  SYS_setsockopt,
  SYS_socket,
  sockaddrIn,
} from '@port-xen/netinet';
import { strerror } from './strerror.ts';
import { addressOf, argument, exit, numberOf, print } from './user.ts';

const ICMP_ECHO = 8;
const ICMP_ECHOREPLY = 0;
const HEADER = 8;
const PAYLOAD = 56;
const IP_HEADER_MIN = 20;
const PACKET_MAX = 1500;
const CLOCK_MONOTONIC = 3;

const ping_data = struct('ping_data', {
  fd: i64,
  id: u32,
  count: u64,
  sent: u64,
  received: u64,
  to: bytes(SOCKADDR_IN_LEN),
  /** struct timespec: now, and how long to wait. */
  now_sec: i64,
  now_nsec: i64,
  wait_sec: i64,
  wait_nsec: i64,
  packet: bytes(PACKET_MAX),
  line: bytes(256),
});

const running = struct('ping_locals', { argc: u64, argv: i64 });

const dataOf = (u: UserContext): View<typeof ping_data> => ping_data.at(u.memory, u.data);
const at = (u: UserContext, field: keyof typeof ping_data.offset): number =>
  u.data + ping_data.offset[field];

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, at(u, 'line'), text);

/** RFC 1071. */
const checksum = (packet: Uint8Array): number => {
  let sum = 0;
  for (let i = 0; i < packet.length; i += 2) {
    sum += ((packet[i] as number) << 8) + (packet[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
};

const dotted = (source: Uint8Array): string => source.subarray(12, 16).join('.');

/** The next request, with the time in it. */
const buildRequest = (u: UserContext): void => {
  const d = dataOf(u);
  const packet = new Uint8Array(HEADER + PAYLOAD);
  const view = new DataView(packet.buffer);
  packet[0] = ICMP_ECHO;
  view.setUint16(4, d.id);
  view.setUint16(6, d.sent & 0xffff);
  view.setUint32(8, d.now_sec);
  view.setUint32(12, d.now_nsec);
  view.setUint16(2, checksum(packet));
  u.memory.write(at(u, 'packet'), packet);
};

/** What came in, if it answers one of ours: a line. */
const answerText = (u: UserContext, length: number): string | undefined => {
  const d = dataOf(u);
  const packet = new Uint8Array(length);
  u.memory.read(at(u, 'packet'), packet);
  const ihl = ((packet[0] ?? 0) & 15) * 4;
  if (length < IP_HEADER_MIN || length < ihl + HEADER + 8) return undefined;
  const view = new DataView(packet.buffer, ihl);
  if (view.getUint8(0) !== ICMP_ECHOREPLY || view.getUint16(4) !== d.id) return undefined;
  const ns = (d.now_sec - view.getUint32(8)) * 1e9 + d.now_nsec - view.getUint32(12);
  return (
    `${length - ihl} bytes from ${dotted(packet)}: icmp_seq=${view.getUint16(6)} ` +
    `ttl=${packet[8]} time=${(ns / 1e6).toFixed(3)} ms\n`
  );
};

export const ping: Program = {
  name: 'ping',
  data: ping_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, l, argc, argv) => {
        l.argc = argc;
        l.argv = argv;
        const address = argc < 2 ? undefined : addressOf(argument(u, argv, 1));
        const count = argc > 2 ? numberOf(argument(u, argv, 2), 0) : Number.MAX_SAFE_INTEGER;
        if (address === undefined || count === 0)
          return say(u, 'failed', 'usage: ping ADDRESS [COUNT]\n');
        const d = dataOf(u);
        d.to = sockaddrIn({ addr: address, port: 0 });
        d.count = count;
        return syscall('named', SYS_getpid);
      },
      named: (u: UserContext, _, pid) => {
        dataOf(u).id = pid & 0xffff;
        return syscall('opened', SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP);
      },
      opened: (u: UserContext, _, fd) => {
        if (fd < 0) return say(u, 'failed', `ping: socket: ${strerror(-fd)}\n`);
        const d = dataOf(u);
        d.fd = fd;
        // A second for the answer, then the next request goes out.
        d.wait_sec = 1;
        d.wait_nsec = 0;
        return syscall('ready', SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, at(u, 'wait_sec'), 16);
      },
      ready: (u: UserContext) =>
        syscall('send', SYS_clock_gettime, CLOCK_MONOTONIC, at(u, 'now_sec')),
      send: (u: UserContext) => {
        const d = dataOf(u);
        buildRequest(u);
        d.sent++;
        const length = HEADER + PAYLOAD;
        return syscall(
          'sent',
          SYS_sendto,
          d.fd,
          at(u, 'packet'),
          length,
          0,
          at(u, 'to'),
          SOCKADDR_IN_LEN,
        );
      },
      sent: (u: UserContext, _, result) =>
        result < 0 ? say(u, 'pause', `ping: sendto: ${strerror(-result)}\n`) : goto('receive'),
      receive: (u: UserContext) =>
        syscall('came', SYS_recvfrom, dataOf(u).fd, at(u, 'packet'), PACKET_MAX, 0, 0, 0),
      came: (u: UserContext, l, length) => {
        l.argc = Math.max(0, length);
        if (length < 0) return goto('next');
        return syscall('timed', SYS_clock_gettime, CLOCK_MONOTONIC, at(u, 'now_sec'));
      },
      timed: (u: UserContext, l) => {
        const text = answerText(u, l.argc);
        if (text === undefined) return goto('receive');
        dataOf(u).received++;
        return say(u, 'pause', text);
      },
      pause: (u: UserContext) =>
        dataOf(u).sent >= dataOf(u).count
          ? goto('next')
          : syscall('next', SYS_nanosleep, at(u, 'wait_sec'), 0),
      next: (u: UserContext) => {
        const d = dataOf(u);
        if (d.sent < d.count) return goto('drain');
        return say(u, 'ended', `${d.sent} packets transmitted, ${d.received} packets received\n`);
      },
      // An answer that came too late is not the next one's.
      drain: (u: UserContext) =>
        syscall(
          'drained',
          SYS_recvfrom,
          dataOf(u).fd,
          at(u, 'packet'),
          PACKET_MAX,
          MSG_DONTWAIT,
          0,
          0,
        ),
      drained: (_: UserContext, __, length) => goto(length < 0 ? 'ready' : 'drain'),
      ended: (u: UserContext) => exit(dataOf(u).received > 0 ? 0 : 1),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
