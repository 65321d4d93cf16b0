import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toJson } from '../src/config-json.ts';
import { domainConfig } from '../src/config-of-cfg.ts';
import { fromJson } from '../src/config-of-json.ts';
import { ToolstackError } from '../src/toolstack-error.ts';
import { vdevNumber } from '../src/vdev.ts';
import { parseXlCfg } from '../src/xl-cfg.ts';

const draw = {
  uuid: () => '00000000-0000-4000-8000-000000000001',
  mac: () => '00:16:3e:00:00:01',
};

const config = (text: string, ...overrides: string[]) =>
  domainConfig(parseXlCfg(text, overrides), draw);

const TYPICAL = `# a NetBSD guest
name = "netbsd"; memory = 64
kernel='/netbsd'
disk = [ 'file:/var/disk.img,xvda,w',
         "vdev=xvdb, format=raw, access=ro, target=/a,b",   # a comma in a name
         "/cd.iso,,hdc,cdrom",
]
disk += [ "/more.img,raw,xvdc" ]
vif = [ 'mac=00:16:3E:12:34:56,bridge=bridge0,rate=10Mb/s', '' ]
root="/dev/xbd0a"
extra = "-v"
vcpus="2"
on_crash = 'rename-restart'
`;

/** What the parser says of a text: its configuration, or a sentence. Anything else escapes. */
const outcome = (text: string): string => {
  try {
    return config(text).config.name;
  } catch (error) {
    if (error instanceof ToolstackError) return error.message;
    throw error;
  }
};

describe('xl.cfg', () => {
  test('CFG-1: keys, strings, numbers, lists, comments and separators', () => {
    const { config: found, warnings } = config(TYPICAL);
    expect(warnings).toEqual([]);
    expect(found).toMatchObject({
      name: 'netbsd',
      kernel: '/netbsd',
      cmdline: 'root=/dev/xbd0a -v',
      maxVcpus: 2,
      availVcpus: [0, 1],
      maxMem_kib: 65536,
      targetMem_kib: 65536,
      onPoweroff: 'destroy',
      onReboot: 'restart',
      onCrash: 'restart_rename',
    });
    expect(found.nics.map(({ devid, mac, bridge }) => [devid, mac, bridge])).toEqual([
      [0, '00:16:3e:12:34:56', 'bridge0'],
      [1, '00:16:3e:00:00:01', 'xenbr0'],
    ]);
  });

  test('CFG-8: an interface has the rate, in bytes an interval, that xl makes of it', () => {
    const rateOf = (rate: string) =>
      config(`name="a"\nvif=["rate=${rate}"]\n`).config.nics.map((nic) => nic.rate);
    for (const [rate, bytesPerInterval, interval_us] of [
      ['10MB/s', 500_000, 50_000],
      ['1Gb/s@20ms', 2_500_000, 20_000],
      ['8b/s@1s', 1, 1_000_000],
      ['250KB/s@1us', undefined, 0],
      ['999999999GB/s@999999s', undefined, 0],
      ['1KB/s@10us', undefined, 0],
      ['10MB', undefined, 0],
      ['10MiB/s', undefined, 0],
      ['-1B/s', undefined, 0],
    ] as const) {
      if (bytesPerInterval === undefined) expect(() => rateOf(rate)).toThrow(ToolstackError);
      else expect([rate, rateOf(rate)]).toEqual([rate, [{ bytesPerInterval, interval_us }]]);
    }
  });

  test('CFG-2: disks by position, by name, in the old spelling, and += adds to the list', () => {
    expect(config(TYPICAL).config.disks).toMatchObject([
      { pdevPath: '/var/disk.img', vdev: 'xvda', format: 'raw', readwrite: true },
      { pdevPath: '/a,b', vdev: 'xvdb', format: 'raw', readwrite: false },
      { pdevPath: '/cd.iso', vdev: 'hdc', isCdrom: true, removable: true, readwrite: false },
      { pdevPath: '/more.img', vdev: 'xvdc', format: 'raw', readwrite: true },
    ]);
  });

  test('CFG-3: overrides of the command line prevail', () => {
    const { config: found } = config(TYPICAL, 'memory=32', 'name="other"');
    expect([found.name, found.targetMem_kib]).toEqual(['other', 32768]);
  });

  test('CFG-4: a key that xl does not know draws a warning with its line', () => {
    expect(config('name="a"\nmemroy=64\nhap=1').warnings).toEqual([
      'line 2: memroy is not a setting that is known, and is ignored',
    ]);
  });

  test.each([
    ['', 'expected name to be given, found none'],
    ['name="a"\nmemory=64 vcpus=1', 'line 2: expected the end of the setting, found vcpus'],
    ['name="a"\nmemory=[64]', 'line 2: expected memory to be a string, found a list'],
    [
      'name="a"\nmemory="many"',
      'line 2: expected memory to be a number within [1, 524288], found "many"',
    ],
    [
      'name="a\nb=1',
      'line 1: expected a key, a number, a quoted string or one of = += [ ] , ;, found "\\"a"',
    ],
    ['name="a"\nvif=[ "x=1"\n', 'line 3: expected , or ] in a list, found the end of the text'],
    [
      'name="a"\ndisk=["/x,raw,nope"]',
      'line 2: disk: expected the name of a virtual disk such as xvda, xvdb1, hda, sda or d0p1, found "nope"',
    ],
    ['name="a"\ntype="hvm"', 'line 2: expected type to be "pv", found "hvm"'],
    [
      'name="a b"',
      'line 1: expected name to be 1 to 128 printable characters without blanks, found "a b"',
    ],
    [
      'name="a"\non_crash="explode"',
      'line 2: expected on_crash to be one of destroy, restart, rename-restart, preserve, coredump-destroy, coredump-restart, soft-reset, found "explode"',
    ],
  ])('CFG-5: what is wrong is a sentence with its line: %j', (text, sentence) => {
    expect(outcome(text)).toBe(sentence);
  });

  test('CFG-6: any prefix of a configuration, with any of its characters changed, is a configuration or a sentence', () => {
    const characters = fc.constantFrom(
      ...'\'"[]=+,;#\n\\ axk09',
      '\0',
      'é',
      '__proto__',
      'constructor',
    );
    fc.assert(
      fc.property(
        fc.nat(TYPICAL.length),
        fc.array(fc.tuple(fc.nat(TYPICAL.length - 1), characters), { maxLength: 4 }),
        (length, flips) => {
          const text = [...TYPICAL];
          for (const [at, character] of flips) text[at] = character;
          expect(outcome(text.slice(0, length).join(''))).not.toBe('');
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('CFG-7: the numbers of virtual disks', () => {
    const numbers = {
      xvda: 51712,
      xvdb: 51728,
      xvda1: 51713,
      hda: 768,
      hdb: 832,
      hdc: 5632,
      sda: 2048,
      d0p1: 51713,
      51712: 51712,
    };
    for (const [vdev, number] of Object.entries(numbers))
      expect([vdev, vdevNumber(vdev)]).toEqual([vdev, number]);
    expect(vdevNumber('xvdq')).toBe((1 << 28) | (16 << 8));
    expect(() => vdevNumber('hde')).toThrow(ToolstackError);
  });
});

describe('JSON', () => {
  test('JSON-1: as yajl beautifies it, in the order of the IDL, defaults left out', () => {
    const { config: found } = config(
      'name="minimal"\nmemory=64\nkernel="/k\\"q"\ndisk=["/d,raw,xvda,w"]',
    );
    expect(toJson({ ...found, uuid: '00000000-0000-0000-0000-000000001234' })).toBe(`{
    "c_info": {
        "type": "pv",
        "name": "minimal",
        "uuid": "00000000-0000-0000-0000-000000001234",
        "run_hotplug_scripts": "True"
    },
    "b_info": {
        "max_vcpus": 1,
        "avail_vcpus": [
            0
        ],
        "max_memkb": 65536,
        "target_memkb": 65536,
        "shadow_memkb": 0,
        "sched_params": {

        },
        "claim_mode": "True",
        "kernel": "/k\\"q",
        "type.pv": {

        },
        "arch_arm": {

        },
        "arch_x86": {

        }
    },
    "disks": [
        {
            "pdev_path": "/d",
            "vdev": "xvda",
            "format": "raw",
            "readwrite": 1
        }
    ],
    "on_reboot": "restart",
    "on_soft_reset": "soft_reset"
}
`);
  });

  test('JSON-2: what is written is read again', () => {
    const { config: found } = config(TYPICAL);
    expect(fromJson(toJson(found))).toEqual(found);
  });

  test("CFG-9: a domain of Xen 2's interface is one after its save, too", () => {
    const { config: found } = config(`${TYPICAL}\ninterface = "xen-2.0"`);
    expect(found.interface).toBe('xen-2.0');
    expect(fromJson(toJson(found))).toEqual(found);
    expect(() => config(`${TYPICAL}\ninterface = "xen-1.2"`)).toThrow(
      'expected interface to be one of xen-3.0, xen-2.0, found "xen-1.2"',
    );
  });

  test('JSON-3: any JSON value in any place is a configuration or a sentence', () => {
    const json = toJson(config(TYPICAL).config);
    const tokens = json.split(/(\s+|[{}[\],:])/);
    fc.assert(
      fc.property(fc.nat(tokens.length - 1), fc.jsonValue({ depthSize: 'small' }), (at, value) => {
        const text = [...tokens.slice(0, at), JSON.stringify(value), ...tokens.slice(at + 1)].join(
          '',
        );
        try {
          expect(fromJson(text).name).toMatch(/./);
        } catch (error) {
          expect(error).toBeInstanceOf(ToolstackError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  ['a list that grows', 'disk+=["x"]\n'.repeat(80_000)],
  ['a string that grows', 'name+="x"\n'.repeat(100_000)],
  ['a list of many', `disk=[${'"/x,raw,xvda,w",'.repeat(65_000)}]`],
  ['lists in lists', `a=${'['.repeat(1_000_000)}`],
  ['settings', 'memory=1\n'.repeat(100_000)],
  ['a word', 'x'.repeat(1_000_000)],
  ['more than a configuration can be', '#'.repeat(64 << 20)],
])('CFG-6: %s is read or refused within two seconds', (_, text) => {
  const start = process.threadCpuUsage().user;
  expect(() => domainConfig(parseXlCfg(text), draw)).toThrow(ToolstackError);
  expect(process.threadCpuUsage().user - start).toBeLessThan(2e6);
});
