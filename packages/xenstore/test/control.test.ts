import { expect, test } from 'vitest';
import { codeOf, makeWorld } from './world.ts';

test('CONTROL-1: what there is, in numbers; what is wrong; what is told', () => {
  const { daemon, dom0, sim } = makeWorld();
  expect(dom0.control('help').split('\n')).toContain('live-update');
  dom0.write('/a', 'x');
  dom0.watch('/a', 't');
  dom0.transactionStart();
  const report = dom0.control('memreport');
  for (const line of ['nodes: 4', 'watches: 1', 'transactions: 1', 'connections: 2']) {
    expect(report.split('\n')).toContain(line);
  }
  expect(dom0.control('check')).toBe('OK');
  expect(dom0.control('quota', '0')).toContain('nodes: 4\n');
  const told: string[] = [];
  sim.trace.listenToStory((_time, subsystem, text) => told.push(`${subsystem}: ${text}`));
  dom0.control('log', 'on');
  dom0.read('/a');
  dom0.control('log', 'off');
  dom0.read('/a');
  expect(told.filter((line) => line.includes('type 2 '))).toHaveLength(2);
  expect(codeOf(() => dom0.control('log', 'loud'))).toBe('EINVAL');
  expect(codeOf(() => dom0.control('nonsense'))).toBe('EINVAL');
  expect(codeOf(() => daemon.connect(1).control('help'))).toBe('EACCES');
});

test('CONTROL-2: a quota is read, set, and holds from then on', () => {
  const { daemon, dom0 } = makeWorld();
  dom0.mkdir('/local/domain/1');
  dom0.setPermissions('/local/domain/1', [{ domid: 1, access: 'n' }]);
  expect(dom0.control('quota')).toContain('nodes: 1000\n');
  expect(dom0.control('quota', 'set', 'nodes', '2')).toBe('OK');
  const guest = daemon.connect(1);
  guest.mkdir('a');
  expect(codeOf(() => guest.mkdir('b'))).toBe('ENOSPC');
  for (const words of [['nodes'], ['nodes', '-1'], ['toString', '1']]) {
    expect(codeOf(() => dom0.control('quota', 'set', ...words))).toBe('EINVAL');
  }
});

test('CONTROL-3: live-update names a program, its arguments, and begins', () => {
  const begun: unknown[] = [];
  const { dom0 } = makeWorld({
    replace: (program, args) => {
      begun.push([program, args]);
      return program === '/none' ? 'ENOENT' : undefined;
    },
  });
  expect(codeOf(() => dom0.control('live-update', '-s'))).toBe('EINVAL');
  expect(codeOf(() => dom0.control('live-update', '-c', 'x'))).toBe('EINVAL');
  dom0.control('live-update', '-f', '/bin/next');
  dom0.control('live-update', '-c', 'serve  --quickly');
  expect(dom0.control('live-update', '-s', '-t', '60', '-F')).toBe('OK');
  dom0.control('live-update', '-f', '/none');
  expect(codeOf(() => dom0.control('live-update', '-s'))).toBe('ENOENT');
  dom0.control('live-update', '-a');
  expect(codeOf(() => dom0.control('live-update', '-s'))).toBe('EINVAL');
  expect(begun).toEqual([
    ['/bin/next', ['serve', '--quickly']],
    ['/none', []],
  ]);
  expect(codeOf(() => makeWorld().dom0.control('live-update', '-f', '/bin/next'))).toBe('ENOSYS');
});
