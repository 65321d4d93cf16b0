import {
  BLKIF_BE_STATUS_INTERFACE_CONNECTED,
  BLKIF_BE_STATUS_INTERFACE_EXISTS,
  BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
  BLKIF_BE_STATUS_OKAY,
  blkif_be_connect,
  blkif_be_create,
  blkif_be_destroy,
  CMSG_BLKIF_BE_CONNECT,
  CMSG_BLKIF_BE_CREATE,
  CMSG_BLKIF_BE_DESTROY,
  CMSG_BLKIF_BE_DISCONNECT,
  CMSG_NETIF_BE_CREATE,
  CMSG_NETIF_BE_DESTROY,
  control_msg,
  NETIF_BE_STATUS_INTERFACE_CONNECTED,
  NETIF_BE_STATUS_INTERFACE_EXISTS,
  NETIF_BE_STATUS_INTERFACE_NOT_FOUND,
  NETIF_BE_STATUS_OKAY,
  netif_be_destroy,
} from '@port-xen/abi';
import { BytesMemory, type Struct } from '@port-xen/layout';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BackMessages, deed } from '../src/index.ts';

/** CONNECT's answer: a status that is the kind's own. */
const DONE = 77;
const MSG = control_msg.offset.msg;

/** A back end whose interfaces only note what becomes of them. */
const backEnd = () => {
  const noted: string[] = [];
  const make = (name: string) => {
    noted.push(`${name} made`);
    return {
      name,
      connected: false,
      destroy: () => {
        noted.push(`${name} destroyed`);
      },
    };
  };
  const create = deed(blkif_be_create, ({ domid, blkif_handle }) =>
    make(`${domid}.${blkif_handle}`),
  );
  const messages = new BackMessages(create, {
    [CMSG_BLKIF_BE_CONNECT]: deed(blkif_be_connect, ({ shmem_frame, evtchn }, one) => {
      noted.push(`${one.name} connected to ${shmem_frame} and ${evtchn}`);
      one.connected = true;
      return DONE;
    }),
    [CMSG_BLKIF_BE_DISCONNECT]: deed(blkif_be_destroy, (_, one) => {
      one.connected = false;
      return BLKIF_BE_STATUS_OKAY;
    }),
  });
  return { messages, noted };
};

type Receiver = ReturnType<typeof backEnd>['messages'];

/** A message as the domain controller puts it, its unused bytes 0xff. @returns the answer's status; undefined for one of length 0 */
const send = (
  messages: Receiver,
  subtype: number,
  payload: Struct,
  fields: object,
): number | undefined => {
  const memory = new BytesMemory(new Uint8Array(control_msg.size).fill(0xff));
  const view = control_msg.at(memory, 0);
  view.subtype = subtype;
  view.length = payload.size;
  Object.assign(payload.at(memory, MSG), fields);
  messages.receive(memory.bytes);
  return view.length === 0 ? undefined : memory.ld32(MSG + (payload.offset.status as number));
};

test('BACK-9: an interface is made once, does what its messages say, and is gone after DESTROY', () => {
  const { messages, noted } = backEnd();
  const one = { domid: 5, blkif_handle: 0 };
  const connect = { ...one, shmem_frame: 0x100, evtchn: 7 };
  expect([
    send(messages, CMSG_BLKIF_BE_CREATE, blkif_be_create, one),
    send(messages, CMSG_BLKIF_BE_CONNECT, blkif_be_connect, connect),
    send(messages, CMSG_BLKIF_BE_DISCONNECT, blkif_be_destroy, one),
    send(messages, CMSG_BLKIF_BE_DESTROY, blkif_be_destroy, one),
    send(messages, CMSG_BLKIF_BE_CREATE, blkif_be_create, one),
  ]).toEqual([BLKIF_BE_STATUS_OKAY, DONE, 0, BLKIF_BE_STATUS_OKAY, BLKIF_BE_STATUS_OKAY]);
  expect(noted).toEqual(['5.0 made', '5.0 connected to 256 and 7', '5.0 destroyed', '5.0 made']);
});

test('BACK-9: one that is there is not made again, one that is not is not found, a connected one is not destroyed', () => {
  const { messages, noted } = backEnd();
  const one = { domid: 5, blkif_handle: 0 };
  send(messages, CMSG_BLKIF_BE_CREATE, blkif_be_create, one);
  send(messages, CMSG_BLKIF_BE_CONNECT, blkif_be_connect, { ...one, shmem_frame: 1, evtchn: 1 });
  const before = [...noted];
  const interfaces = [...messages.interfaces];
  const other = { domid: 5, blkif_handle: 1 };
  expect([
    send(messages, CMSG_BLKIF_BE_CREATE, blkif_be_create, one),
    send(messages, CMSG_BLKIF_BE_DESTROY, blkif_be_destroy, one),
    send(messages, CMSG_BLKIF_BE_DESTROY, blkif_be_destroy, other),
    send(messages, CMSG_BLKIF_BE_CONNECT, blkif_be_connect, other),
    send(messages, CMSG_BLKIF_BE_DISCONNECT, blkif_be_destroy, { domid: 6, blkif_handle: 0 }),
  ]).toEqual([
    BLKIF_BE_STATUS_INTERFACE_EXISTS,
    BLKIF_BE_STATUS_INTERFACE_CONNECTED,
    BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
    BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
    BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
  ]);
  expect([noted, messages.interfaces]).toEqual([before, interfaces]);
});

test('BACK-9: domains and handles are told apart, whatever their digits', () => {
  const { messages } = backEnd();
  const all = [
    [1, 12],
    [11, 2],
    [1, 0x8000_0000],
    [1, 0xffff_ffff],
    [0x7ff0, 0],
  ] as const;
  for (const [domid, blkif_handle] of all) {
    send(messages, CMSG_BLKIF_BE_CREATE, blkif_be_create, { domid, blkif_handle });
  }
  const names = all.map(([domid, handle]) => `${domid}.${handle}`);
  expect(messages.interfaces.map(({ name }) => name)).toEqual(names);
  expect(all.map(([domid, handle]) => messages.find(domid, handle)?.name)).toEqual(names);
  expect(messages.find(1, 2)).toBeUndefined();
});

test('BACK-9: what disks and networks answer, and call CREATE and DESTROY, is the same', () => {
  expect([
    BLKIF_BE_STATUS_OKAY,
    BLKIF_BE_STATUS_INTERFACE_EXISTS,
    BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
    BLKIF_BE_STATUS_INTERFACE_CONNECTED,
    CMSG_BLKIF_BE_CREATE,
    CMSG_BLKIF_BE_DESTROY,
    ...Object.values(blkif_be_destroy.offset),
  ]).toEqual([
    NETIF_BE_STATUS_OKAY,
    NETIF_BE_STATUS_INTERFACE_EXISTS,
    NETIF_BE_STATUS_INTERFACE_NOT_FOUND,
    NETIF_BE_STATUS_INTERFACE_CONNECTED,
    CMSG_NETIF_BE_CREATE,
    CMSG_NETIF_BE_DESTROY,
    ...Object.values(netif_be_destroy.offset),
  ]);
});

const sizes = new Map<number, number>([
  [CMSG_BLKIF_BE_CREATE, blkif_be_create.size],
  [CMSG_BLKIF_BE_DESTROY, blkif_be_destroy.size],
  [CMSG_BLKIF_BE_CONNECT, blkif_be_connect.size],
  [CMSG_BLKIF_BE_DISCONNECT, blkif_be_destroy.size],
]);

test('BACK-8: a message of another length than its payload, or of no subtype that is known, is answered with length 0 and does nothing', () => {
  const byte = fc.nat(255);
  const bytes = fc.uint8Array({ minLength: control_msg.size, maxLength: control_msg.size });
  const subtype = fc.oneof(fc.constantFrom(...sizes.keys()), byte);
  fc.assert(
    fc.property(bytes, subtype, byte, (message, type, length) => {
      fc.pre(sizes.get(type) !== length);
      const { messages, noted } = backEnd();
      const there = { domid: message[4], blkif_handle: 0 };
      send(messages, CMSG_BLKIF_BE_CREATE, blkif_be_create, there);
      message.fill(0, 5, 12);
      const view = control_msg.at(new BytesMemory(message), 0);
      view.subtype = type;
      view.length = length;
      const answer = Uint8Array.from(message).fill(0, 3, 4);
      messages.receive(message);
      expect(message).toEqual(answer);
      expect(noted).toHaveLength(1);
      expect(messages.interfaces.map(({ connected }) => connected)).toEqual([false]);
    }),
  );
});
