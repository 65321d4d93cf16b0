import { XenError } from '@port-xen/hypervisor';
import { Sim } from '@port-xen/sim';
import { Xenstored } from '@port-xen/xenstore';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BackendBus, type DeviceEnd, type DeviceHandle } from '../src/index.ts';

const FRONT = '/local/domain/5/device/vif/0';
const BACK = '/local/domain/0/backend/vif/5/0';

/** A device that does nothing and notes what is asked of it. */
class Toy implements DeviceEnd {
  readonly readyAt = 4;
  readonly log: string[] = [];
  readonly handle: DeviceHandle;
  readonly #faults: { open?: string; connect?: string; refuse?: boolean };
  pending = 0;
  opened = 0;
  connections = 0;

  constructor(handle: DeviceHandle, faults: { open?: string; connect?: string; refuse?: boolean }) {
    this.handle = handle;
    this.#faults = faults;
  }
  isComplete(): boolean {
    return true;
  }
  open(): string | undefined {
    this.log.push('open');
    if (this.#faults.open === undefined) this.opened++;
    return this.#faults.open;
  }
  connect(frontend: string): string | undefined {
    this.log.push(`connect ${frontend}`);
    if (this.#faults.refuse) throw new XenError(22, 'expected a grant, found none');
    if (this.#faults.connect === undefined) this.connections++;
    return this.#faults.connect;
  }
  release(): void {
    this.connections = 0;
  }
  close(): void {
    this.opened = 0;
  }
}

const host = (faults: ConstructorParameters<typeof Toy>[1] = {}) => {
  const sim = new Sim(1);
  const xenstored = new Xenstored({ sim });
  const store = xenstored.connect(0);
  const story: string[] = [];
  sim.trace.listenToStory((_time, subsystem, text) => story.push(`${subsystem}: ${text}`));
  const toys: Toy[] = [];
  const bus = new BackendBus({
    sim,
    xenstored,
    kind: 'vif',
    subsystem: 'toyback',
    make: (handle) => {
      const toy = new Toy(handle, faults);
      toys.push(toy);
      return toy;
    },
  });
  const settle = () => sim.runUntil(() => false);
  const write = (path: string, value: string) => {
    store.write(path, value);
    settle();
  };
  const addDevice = (more: Record<string, string> = {}) => {
    store.transaction((tx) => {
      store.write(`${FRONT}/state`, '1', tx);
      const nodes = { frontend: FRONT, 'frontend-id': '5', online: '1', state: '1', ...more };
      for (const [name, value] of Object.entries(nodes)) store.write(`${BACK}/${name}`, value, tx);
    });
    settle();
  };
  const state = () => store.tryRead(`${BACK}/state`);
  const only = () => toys[0] as Toy;
  return { sim, xenstored, store, story, toys, only, bus, settle, write, addDevice, state };
};

test('BACK-2: a device is opened before InitWait and connected once, with the front end that its directory names', () => {
  const h = host();
  h.addDevice();
  expect([h.state(), h.only().log]).toEqual(['2', ['open']]);
  h.write(`${FRONT}/state`, '3');
  expect(h.state()).toBe('2');
  h.write(`${FRONT}/state`, '4');
  h.write(`${BACK}/anything`, 'else');
  expect([h.state(), h.only().log]).toEqual(['4', ['open', `connect ${FRONT}`]]);
});

test('BACK-3: Closing waits for what is pending, and takes nothing meanwhile', () => {
  const h = host();
  h.addDevice();
  h.write(`${FRONT}/state`, '4');
  h.only().pending = 1;
  h.write(`${FRONT}/state`, '5');
  expect([h.state(), h.only().handle.draining, h.only().connections]).toEqual(['4', true, 1]);
  h.only().pending = 0;
  h.only().handle.changed();
  h.settle();
  expect([h.state(), h.only().handle.draining, h.only().connections]).toEqual(['5', false, 0]);
  h.write(`${FRONT}/state`, '6');
  expect([h.state(), h.only().opened]).toEqual(['6', 0]);
});

test('BACK-4: what cannot be opened says why, where the toolstack looks, and is Closed for good', () => {
  const h = host({ open: 'expected a bridge, found none' });
  h.addDevice();
  h.write(`${FRONT}/state`, '4');
  expect(h.state()).toBe('6');
  expect(h.store.read(`${BACK}/hotplug-status`)).toBe('error');
  expect(h.store.read(`${BACK}/hotplug-error`)).toBe('expected a bridge, found none');
  expect(h.only().log).toEqual(['open']);
  h.write(`${FRONT}/state`, '1');
  expect([h.state(), h.only().log]).toEqual(['6', ['open']]);
});

test("BACK-5: a front end that is another domain's, or a directory of no numbers, is not looked at", () => {
  for (const more of [
    { frontend: '/local/domain/6/device/vif/0' },
    { frontend: '/local/domain/55/device/vif/0' },
    { 'frontend-id': '6' },
  ]) {
    const h = host();
    h.addDevice(more);
    expect([h.state(), h.only().log]).toEqual(['1', []]);
    expect(h.xenstored.counters().watches).toBe(1);
  }
  const h = host();
  h.write('/local/domain/0/backend/vif/five/0/state', '1');
  h.write('/local/domain/0/backend/vif/5/x/state', '1');
  h.write('/local/domain/0/backend/vif/123456/0/state', '1');
  expect([h.bus.devices, h.toys.length]).toEqual([0, 0]);
});

test('BACK-6: a sentence, or an error of Xen, while connecting closes the device; any other error is a bug and goes on', () => {
  for (const faults of [{ connect: 'expected 1, found 2' }, { refuse: true }]) {
    const h = host(faults);
    h.addDevice();
    h.write(`${FRONT}/state`, '4');
    expect([h.state(), h.only().connections]).toEqual(['5', 0]);
    expect(h.story.at(-1)).toMatch(
      /^toyback: domain 5, device 0: expected .*; the device is closed$/,
    );
  }
  const h = host();
  h.addDevice();
  h.only().connect = () => {
    throw new TypeError('a bug');
  };
  expect(() => h.write(`${FRONT}/state`, '4')).toThrow('a bug');
});

test('BACK-6: a device that gives up is let go of, and connects again only after its front end has closed', () => {
  const h = host();
  h.addDevice();
  h.write(`${FRONT}/state`, '4');
  h.only().handle.giveUp('expected sense, found nonsense');
  h.settle();
  expect([h.state(), h.only().connections]).toEqual(['5', 0]);
  h.write(`${FRONT}/state`, '4');
  expect(h.only().connections).toBe(0);
  for (const state of ['6', '1', '4']) h.write(`${FRONT}/state`, state);
  expect([h.state(), h.only().connections]).toEqual(['4', 1]);
});

test('BACK-7: a removed directory takes its device with it, in whatever state, and nothing is written into it', () => {
  for (const front of ['1', '4', '5', '6']) {
    const h = host();
    h.addDevice();
    h.write(`${FRONT}/state`, '4');
    h.write(`${FRONT}/state`, front);
    h.store.rm('/local/domain/0/backend/vif/5');
    h.settle();
    expect([h.only().opened, h.only().connections, h.bus.devices]).toEqual([0, 0, 0]);
    h.write(`${FRONT}/state`, '4');
    expect(h.state()).toBeUndefined();
    expect(h.xenstored.counters().watches).toBe(1);
  }
});

test('BACK-1 to BACK-7: whatever both directories say, in any order, what is opened and connected fits the state', () => {
  const deed = fc.tuple(
    fc.constantFrom(`${FRONT}/state`, `${BACK}/online`, `${BACK}/state`, `${BACK}/x`, FRONT, BACK),
    fc.oneof(fc.constantFrom(...'0123456789'), fc.string({ unit: 'binary-ascii', maxLength: 8 })),
  );
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), (deeds) => {
      const h = host();
      h.addDevice();
      for (const [path, value] of deeds) {
        const remove = path === FRONT || path === BACK;
        if (!remove) h.write(path, value);
        else if (h.store.tryRead(path) !== undefined) h.store.rm(path);
        h.settle();
        const toy = h.toys.at(-1) as Toy;
        expect(toy.opened).toBeLessThanOrEqual(1);
        expect(toy.connections).toBeLessThanOrEqual(toy.opened);
        if (h.store.tryRead(BACK) === undefined)
          expect([toy.opened, h.bus.devices]).toEqual([0, 0]);
      }
    }),
  );
});
