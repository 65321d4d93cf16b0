import { XS_WATCH } from '@port-xen/abi';
import { describe, expect, test } from 'vitest';
import { codeOf, Guest, makeWorld } from './world.ts';

/** A client that keeps its events. */
const watcher = (world: ReturnType<typeof makeWorld>, domid = 0) => {
  const events: string[] = [];
  const client = world.daemon.connect(domid, (path, token) => events.push(`${path} ${token}`));
  const take = (): string[] => {
    world.settle();
    return events.splice(0);
  };
  return { client, take };
};

describe('watches', () => {
  test('WATCH-1: one event at once, with the path as it was given', () => {
    const { client, take } = watcher(makeWorld());
    client.watch('/not/there', 'a');
    client.watch('relative', 'b');
    client.watch('@releaseDomain', 'c');
    expect(take()).toEqual(['/not/there a', 'relative b', '@releaseDomain c']);
    expect(codeOf(() => client.watch('/not/there', 'a'))).toBe('EEXIST');
    expect(codeOf(() => client.unwatch('/not/there', 'x'))).toBe('ENOENT');
  });

  test('WATCH-2: events for the node and all below it, relative if the watch is', () => {
    const world = makeWorld();
    const { client, take } = watcher(world);
    client.watch('/a', 'abs');
    client.watch('home', 'rel');
    take();
    world.dom0.write('/a/b/c', '1');
    world.dom0.write('/ab', '1');
    world.dom0.write('/local/domain/0/home/x', '1');
    expect(take()).toEqual(['/a/b/c abs', 'home/x rel']);
    client.unwatch('home', 'rel');
    world.dom0.write('/local/domain/0/home/x', '2');
    expect(take()).toEqual([]);
  });

  test('WATCH-3: removal tells each watch below of its own path, children first', () => {
    const world = makeWorld();
    const { client, take } = watcher(world);
    world.dom0.write('/a/b/c', '');
    world.dom0.write('/a/b/d', '');
    for (const path of ['/a', '/a/b/d', '/a/b/c', '/a/b/none', '/a/b']) client.watch(path, path);
    take();
    world.dom0.rm('/a/b');
    expect(take()).toEqual(['/a/b/c /a/b/c', '/a/b/d /a/b/d', '/a/b /a', '/a/b /a/b']);
  });

  test('WATCH-4: who may read neither the node nor its parent is told nothing', () => {
    const world = makeWorld();
    const { client, take } = watcher(world, 1);
    world.dom0.mkdir('/secret');
    client.watch('/secret', 't');
    take();
    world.dom0.write('/secret/x', '1');
    expect(take()).toEqual([]);
    world.dom0.setPermissions('/secret', [
      { domid: 0, access: 'n' },
      { domid: 1, access: 'r' },
    ]);
    expect(take()).toEqual(['/secret t']);
    world.dom0.write('/secret/y', '1');
    expect(take()).toEqual(['/secret/y t']);
    world.dom0.setPermissions('/secret', [{ domid: 0, access: 'n' }]);
    expect(take()).toEqual(['/secret t']);
  });

  test('WATCH-5: events come after the request, in order, and equal ones that wait are one', () => {
    const world = makeWorld();
    const { client, take } = watcher(world);
    client.watch('/', 't');
    take();
    world.dom0.write('/a', '1');
    world.dom0.write('/b', '1');
    world.dom0.write('/a', '2');
    expect(take()).toEqual(['/a t', '/b t']);
  });

  test('WATCH-6: domains that come and go; other domains only if they are permitted', () => {
    const world = makeWorld();
    const dom0 = watcher(world);
    const other = watcher(world, 7);
    for (const { client } of [dom0, other]) {
      client.watch('@introduceDomain', 'i');
      client.watch('@releaseDomain', 'r');
    }
    dom0.take();
    other.take();
    world.dom0.introduce(3, 1, 1);
    world.dom0.introduce(3, 1, 1);
    expect(dom0.take()).toEqual(['@introduceDomain i']);
    expect(world.dom0.isDomainIntroduced(3)).toBe(true);
    world.daemon.domainShutdown(3);
    world.daemon.domainShutdown(3);
    expect(dom0.take()).toEqual(['@releaseDomain r']);
    world.dom0.setPermissions('@releaseDomain', [
      { domid: 0, access: 'n' },
      { domid: 7, access: 'r' },
    ]);
    world.dom0.resume(3);
    world.daemon.domainShutdown(3);
    expect(other.take()).toEqual(['@releaseDomain r']);
    dom0.take();
    world.dom0.release(3);
    expect(dom0.take()).toEqual(['@releaseDomain r']);
    expect(world.dom0.isDomainIntroduced(3)).toBe(false);
    expect(codeOf(() => world.dom0.release(3))).toBe('ENOENT');
  });

  test('WATCH-7: a depth limits how far below the path a watch looks', () => {
    const { daemon, dom0, settle } = makeWorld();
    dom0.mkdir('/local/domain/1');
    dom0.setPermissions('/local/domain/1', [{ domid: 1, access: 'n' }]);
    const guest = new Guest(daemon, 1);
    guest.send(XS_WATCH, 'w\0t\x001\0');
    guest.send(XS_WATCH, 'w\0u\0deep\0');
    settle();
    expect(guest.replies()).toEqual(['4 OK|', '15 w|t|', '16 EINVAL|']);
    for (const path of ['w', 'w/a', 'w/a/b']) dom0.write(`/local/domain/1/${path}`, '');
    settle();
    expect(guest.replies()).toEqual(['15 w|t|', '15 w/a|t|']);
    const seen: string[] = [];
    daemon.connect(0, (path) => seen.push(path)).watch('/', 't', 0);
    dom0.mkdir('/x');
    settle();
    expect(seen).toEqual(['/']);
  });

  test('WATCH-8: what waits for a domain that does not read is bounded', () => {
    const { daemon, dom0, settle } = makeWorld({ quotas: { queuedBytes: 2000 } });
    dom0.mkdir('/local/domain/1');
    dom0.setPermissions('/local/domain/1', [{ domid: 1, access: 'n' }]);
    const guest = new Guest(daemon, 1);
    guest.send(XS_WATCH, '/local\0t\0');
    settle();
    guest.replies();
    for (let i = 0; i < 1000; i++) dom0.write(`/local/domain/1/n${i}`, '');
    let events = 0;
    for (let turn = 0; turn < 100; turn++) {
      settle();
      events += guest.replies().length;
    }
    expect(events).toBeGreaterThan(20);
    expect(events).toBeLessThan(150);
    dom0.write('/local/domain/1/late', '');
    settle();
    expect(guest.replies()).toEqual(['15 /local/domain/1/late|t|']);
  });
});
