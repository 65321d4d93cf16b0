import { writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { Command } from 'commander';
import { describe, expect, test, vi } from 'vitest';
import { imageCommand } from '../../src/image/image-command.ts';
import type { ImageReport } from '../../src/image/image-report.ts';
import { domu, scratch } from '../domu.ts';
import { CONFIG, tinyImage } from './tiny-image.ts';

const path = scratch();
const write = (name: string, bytes: Uint8Array): string => {
  writeFileSync(path(name), bytes);
  return path(name);
};

/** Runs `domu image …` in this process. */
const image = (...args: readonly string[]): { status: number; stdout: string; stderr: string } => {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += text;
      return true;
    }),
  );
  process.exitCode = 0;
  const program = new Command();
  imageCommand(program);
  program.parse(['node', 'domu', 'image', ...args]);
  for (const spy of spies) spy.mockRestore();
  const status = process.exitCode;
  process.exitCode = undefined;
  return { status, stdout: stripVTControlCharacters(said.stdout), stderr: said.stderr };
};

const json = (...args: readonly string[]): unknown => JSON.parse(image(...args, '--json').stdout);

const XEN2_CONFIG = JSON.stringify({
  ...CONFIG,
  b_info: { ...CONFIG.b_info, interface: 'xen-2.0' },
});

const xl = write('tiny.save', tinyImage('xl'));
const libxl = write('tiny.libxl', tinyImage('libxl'));
const libxc = write('tiny.libxc', tinyImage('libxc'));

describe('image show', () => {
  test.each([
    ['xl', xl, 'xl save file'],
    ['libxl', libxl, 'bare libxl stream'],
    ['libxc', libxc, 'bare libxc stream'],
  ])('tells %s by its first bytes', (kind, file, words) => {
    expect(json('show', file)).toMatchObject({
      kind,
      streamVersion: 3,
      xen: '4.17',
    });
    const { status, stdout } = image('show', file);
    expect(status).toBe(0);
    expect(stdout).toContain(words);
  });

  test('has all as data', () => {
    const report = json('show', xl) as ImageReport;
    expect(report.config).toEqual({ format: 'json', value: CONFIG });
    expect(report.records.map(({ name }) => name)).toEqual([
      'LIBXC_CONTEXT',
      'X86_PV_INFO',
      'STATIC_DATA_END',
      'X86_PV_P2M_FRAMES',
      'PAGE_DATA',
      'X86_TSC_INFO',
      'SHARED_INFO',
      'X86_PV_VCPU_BASIC',
      'END',
      'END',
    ]);
    expect(report.records[4]?.pages).toEqual({ count: 16, data: 15, first: 0, last: 15 });
    expect(report.pageTypes).toEqual({
      ordinary: 11,
      L1: 1,
      L2: 1,
      L3: 1,
      'L4 pinned': 1,
      'no page': 1,
    });
    expect(report.p2m).toMatchObject({
      maxPfn: '0xf',
      leafPfns: ['0x9'],
      frames: 15,
      lowest: '0x400100',
      highest: '0x40010f',
    });
    expect(report.startInfo).toMatchObject({
      pfn: '0x1',
      magic: 'xen-3.0-x86_64',
      nr_pages: 16,
      store_mfn: '0x2',
      console_mfn: '0x3',
      cmd_line: 'quiet',
    });
    expect(report.sharedInfo).toMatchObject({
      max_pfn: 16,
      pendingPorts: [3, 5],
      unmaskedPorts: [],
    });
    expect(report.store?.requests).toMatchObject({
      pending: 22,
      messages: [{ type: 'READ', request: 7, transaction: 0, payload: 'domid' }],
    });
    expect(report.console).toMatchObject({
      output: { pending: 13, text: 'not seen\\x1b[31m' },
      shown: 'seen, ',
    });
    expect(report.vcpus).toHaveLength(1);
    expect(report.vcpus[0]).toMatchObject({
      id: 0,
      flags: ['i387_valid', 'in_kernel'],
      registers: { rip: { address: '0xffffffff80001000' }, rdx: { address: '0x0000000000000001' } },
      callbacks: { event: { address: '0xffffffff80000100' } },
      cr3_pfn: '0x4',
      traps: [
        {
          vector: 14,
          name: 'page fault',
          address: '0xffffffff80000010',
          cs: '0xe033',
          dpl: 0,
          masksEvents: true,
        },
      ],
    });
    expect(report.kernel).toEqual({ kernel: 'not ours' });
  });

  test('knows a domain of Xen 2 by its pages, and what it and its controller left unanswered', () => {
    const xen2 = write('xen2.save', tinyImage('xl', { xen2: true, config: XEN2_CONFIG }));
    const report = json('show', xen2) as ImageReport;
    expect(report).toMatchObject({
      interface: 'xen-2.0',
      startInfo: { pfn: '0x1', nr_pages: 16, domain_controller_evtchn: 34, cmd_line: 'quiet' },
      sharedInfo: {
        cpu_freq_hz: 2.4e9,
        wallclock_s: 1_767_225_600,
        pendingPorts: [34],
        unmaskedPorts: [32],
      },
      control: {
        tx: { unanswered: [{ type: 'CONSOLE', text: 'not seen\n' }] },
        rx: { unanswered: [{ type: 'SHUTDOWN', subtype: 2, id: 4, length: 0 }] },
      },
    });
    expect(report.store ?? report.console).toBeUndefined();
    const lines = image('show', xen2).stdout.split('\n');
    expect(lines).toContain('  to the controller  requests 10, responses 9: 1 unanswered');
    expect(lines.some((line) => line.includes('CONSOLE 0 id 0, 9 bytes "not seen\\n"'))).toBe(true);
    expect(image('verify', xen2)).toMatchObject({ status: 0 });
    expect(image('verify', write('xen2.libxc', tinyImage('libxc', { xen2: true }))).status).toBe(0);
    expect(json('diff', xl, xen2)).toMatchObject({
      sections: { File: [{ path: 'interface', a: 'xen-3.0', b: 'xen-2.0' }] },
    });
  });

  test('has colours only when they are wanted', () => {
    const { stdout } = domu('image', 'show', xl);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: there is to be none
    expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  });

  test('is laid out for people', () => {
    const { stdout } = image('show', xl);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: there is to be none
    expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
    for (const line of [
      '  rip  0xffffffff80001000',
      '  MFNs on the old host  0x400100 … 0x40010f (slot 2)',
      '    14  page fault  0xffffffff80000010  cs 0xe033, dpl 0, masks events',
      '              READ req 7 tx 0 domid',
    ]) {
      expect(stdout.split('\n')).toContain(line);
    }
  });

  test('shows a damaged file as far as it can be read, and says so', () => {
    const cut = write('cut.save', tinyImage('xl').subarray(0, 30_000));
    const { status, stdout } = image('show', cut);
    expect(status).toBe(1);
    expect(stdout).toContain('Savefile truncated.');
    expect(stdout).toContain('X86_PV_P2M_FRAMES');
  });

  test('refuses what is no image, and no file, in a sentence', () => {
    const noise = write('noise', new Uint8Array(100).fill(0x41));
    expect(domu('image', 'show', noise)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^domu: \S+: File has wrong magic number .* found "AAAAAAAA" \(offset 0\)\n$/,
      ),
    });
    expect(domu('image', 'show', path('none')).stderr).toBe(
      `domu: Can't open ${path('none')}: No such file or directory\n`,
    );
    expect(domu('image', 'show', '/dev/null').stderr).toContain('expected a regular file');
  });
});

describe('a file that is no image does not keep the ones after it from being looked at', () => {
  const bad = write('bad', new Uint8Array(100).fill(65));
  const gone = path('gone');
  const complaints = new RegExp(
    `^domu: ${bad}: File has wrong magic .*\\ndomu: Can't open ${gone}: No such file or directory\\n$`,
  );

  test('show', () => {
    const { status, stdout, stderr } = image('show', xl, bad, gone, libxc);
    expect(status).toBe(1);
    expect(stdout).toContain(xl);
    expect(stdout).toContain(libxc);
    expect(stderr).toMatch(complaints);
  });

  test('verify', () => {
    const { status, stdout, stderr } = image('verify', xl, bad, gone, libxc);
    expect(status).toBe(1);
    expect(stdout).toContain(`${xl}: can be restored`);
    expect(stdout).toContain(`${bad}: cannot be restored`);
    expect(stdout).toContain(`${libxc}: can be restored`);
    expect(stderr).toBe(`domu: Can't open ${gone}: No such file or directory\n`);
  });

  test('and --json has an entry for each file', () => {
    expect(json('show', xl, gone, bad)).toMatchObject([
      { file: xl, kind: 'xl' },
      { file: gone, error: expect.stringContaining('No such file or directory') },
      { file: bad, error: expect.stringContaining(`${bad}: File has wrong magic`) },
    ]);
  });

  test('diff names the bad one, and ends with 2 as diff and cmp do', () => {
    const { status, stderr } = image('diff', xl, bad);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^domu: \S+bad: File has wrong magic .*\n$/);
    expect(image('diff', bad, gone)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(complaints),
    });
  });
});

describe('image verify', () => {
  test('takes an image of any kind, and notes that its kernel is not ours', () => {
    const { status, stdout } = image('verify', xl, libxl, libxc);
    expect(status).toBe(0);
    expect(stdout.match(/can be restored: (xl|libxl|libxc), 15 pages/g)).toHaveLength(3);
    expect(stdout.match(/note: its kernel is not ours/g)).toHaveLength(3);
  });

  test('counts pages, not how often they came', () => {
    const twice = write('twice.save', tinyImage('xl', { twice: true }));
    expect(image('verify', twice).stdout).toContain('can be restored: xl, 15 pages\n');
    expect(json('verify', twice)).toMatchObject({ pages: 15 });
  });

  test('refuses with what is expected, found and where', () => {
    const bad = write('bad.save', tinyImage('xl', { types: [0, 15, ...Array(14).fill(15)] }));
    const { status, stdout } = image('verify', xl, bad);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /bad\.save: cannot be restored: Start Info .* has bad type 15: expected type 0, found 15 \(offset \d+, record X86_PV_VCPU_BASIC\)\n$/,
    );
    expect(json('verify', bad)).toMatchObject({ restorable: false, warnings: [], notes: [] });
  });

  test('warns of what genuine restore code passes over in silence', () => {
    const types = [0, 0, 0, 0, 12, 3, 2, 1, 0, 0, 15, 0, 0, 0, 15, 0];
    const lost = write('lost.save', tinyImage('xl', { types }));
    const { status, stdout } = image('verify', lost);
    expect(status).toBe(0);
    expect(stdout).toContain(
      'warning: the L1 page table at pfn 0x7 names pfn 0xa, which the image has no page for: it starts as zeroes',
    );
  });
});

describe('image diff', () => {
  test('finds no difference between an image and itself', () => {
    const { status, stdout } = image('diff', xl, xl);
    expect(status).toBe(0);
    expect(stdout).toContain('no difference');
  });

  test('tells records, pages and fields that differ', () => {
    const types = [0, 0, 0, 0, 12, 3, 2, 1, 0, 0, 15, 15, 0, 0, 15, 0];
    const other = write('other.save', tinyImage('xl', { rip: -0x7fff_e000, fill: 9, types }));
    expect(json('diff', xl, other)).toMatchObject({
      same: false,
      records: [
        {
          path: 'libxc PAGE_DATA 0',
          a: expect.stringContaining('15 with data'),
          b: expect.stringContaining('13 with data'),
        },
      ],
      pages: {
        same: 13,
        different: 3,
        ranges: [
          { first: 10, last: 11, how: 'ordinary → no page' },
          { first: 15, last: 15, how: 'contents' },
        ],
      },
      sections: {
        'vCPU 0': [
          { path: 'registers.rip.address', a: '0xffffffff80001000', b: '0xffffffff80002000' },
        ],
      },
    });
    const { status, stdout } = image('diff', xl, other);
    expect(status).toBe(1);
    expect(stdout).toContain('3 differ, 13 do not');
  });

  test('tells kinds apart', () => {
    const { sections } = json('diff', xl, libxc) as { sections: Record<string, unknown> };
    expect(sections).toMatchObject({ File: [{ path: 'kind', a: 'xl', b: 'libxc' }] });
  });
});
