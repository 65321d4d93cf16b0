import {
  CMSG_CONSOLE,
  CMSG_SHUTDOWN,
  CMSG_SHUTDOWN_SUSPEND,
  SHUTDOWN_suspend,
} from '@port-xen/abi';
import { Random } from '@port-xen/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Host, type Message } from './scripted-guest.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

test('DC-5: ten thousand requests are answered once each by a guest that answers in any order, and no id is lost', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const random = new Random(7, 'answers');
  const ends = new Map<number, number>();
  const open: Message[] = [];
  const keys: string[] = [];
  for (let i = 0; i < 10_000; i++) {
    const key = String.fromCharCode(97 + (i % 26));
    keys.push(key);
    host.controller.sysrq(guest.domid, key, (error) => {
      expect(error).toBeNull();
      ends.set(i, (ends.get(i) ?? 0) + 1);
    });
    if (random.below(3) > 0) continue;
    host.settle(10_000);
    open.push(...guest.requests());
    while (open.length > 0 && random.below(8) > 0) {
      const [message] = open.splice(random.below(open.length), 1) as [Message];
      guest.answer(message);
    }
    guest.notify();
    host.settle(10_000);
    expect(new Set(open.map(({ id }) => id)).size).toBe(open.length);
  }
  for (const message of open) guest.answer(message);
  guest.notify();
  guest.serve();
  expect(ends.size).toBe(10_000);
  expect([...ends.values()].every((times) => times === 1)).toBe(true);
  expect(host.story.filter((line) => line.includes('stopped'))).toEqual([]);
});

const step = fc.oneof(
  fc.record({ kind: fc.constant('print' as const), text: fc.string({ maxLength: 20 }) }),
  fc.record({ kind: fc.constant('type' as const), text: fc.string({ maxLength: 200 }) }),
  fc.record({ kind: fc.constant('key' as const) }),
  fc.record({ kind: fc.constant('take' as const) }),
  fc.record({ kind: fc.constant('answer' as const), which: fc.nat(7), taken: fc.nat(60) }),
  fc.record({ kind: fc.constant('suspend' as const) }),
);

test('DC-5, DC-10, DC-33: every byte once and every request answered once or failed, over suspends that are cancelled', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const host = new Host();
      const guest = host.guest().connect();
      const open: Message[] = [];
      let [typed, read, printed] = ['', '', ''];
      let [asked, told] = [0, 0];
      const answer = (message: Message, taken: number) => {
        if (message.type === CMSG_CONSOLE) {
          const part = message.bytes.subarray(0, taken);
          read += String.fromCharCode(...part);
          message.memory.st8(3, part.length);
        }
        guest.answer(message);
        guest.notify();
      };
      /** What a kernel does: it answers all that it has been asked, and then it goes. */
      const suspend = () => {
        host.controller.shutdown(guest.domid, 'suspend', () => told++);
        asked++;
        for (let heard = false, tries = 0; !heard; tries++) {
          expect(tries).toBeLessThan(1000);
          host.settle(10_000);
          open.push(...guest.requests());
          heard = open.some(
            ({ type, subtype }) => type === CMSG_SHUTDOWN && subtype === CMSG_SHUTDOWN_SUSPEND,
          );
          for (const message of open.splice(0)) answer(message, 0);
        }
        host.settle(10_000);
        host.controller.input(guest.domid, bytes('late'));
        typed += 'late';
        host.settle(10_000);
        guest.domain.shutdown(SHUTDOWN_suspend);
        host.settle(2_000_000);
        expect(guest.requests()).toEqual([]);
        host.hv.domctl.resumeDomain(guest.domid);
        host.controller.resume(guest.domid);
      };
      for (const s of steps) {
        if (s.kind === 'print' && s.text !== '') {
          if (guest.index('tx_req_prod') - guest.index('tx_resp_prod') < 8) {
            const text = s.text.replace(/[^\x20-\x7e]/g, '.');
            guest.print(text);
            printed += text;
          }
          guest.notify();
        }
        if (s.kind === 'type') {
          const text = s.text.replace(/[^\x20-\x7e]/g, '.');
          host.controller.input(guest.domid, bytes(text));
          typed += text;
        }
        if (s.kind === 'key') {
          host.controller.sysrq(guest.domid, 'h', () => told++);
          asked++;
        }
        if (s.kind === 'take') open.push(...guest.requests());
        if (s.kind === 'answer' && open.length > 0) {
          const [message] = open.splice(s.which % open.length, 1) as [Message];
          answer(message, s.taken);
        }
        if (s.kind === 'suspend') suspend();
        host.settle(100_000);
      }
      for (let quiet = 0; quiet < 3; quiet++) {
        host.settle(11_000_000);
        open.push(...guest.requests());
        if (open.length > 0) quiet = 0;
        for (const message of open.splice(0)) answer(message, 60);
      }
      expect(read).toBe(typed);
      expect(host.text(guest.domid)).toBe(printed);
      expect(told).toBe(asked);
    }),
    { numRuns: 200 },
  );
});
