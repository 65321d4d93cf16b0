/*
 * One entry of xl.cfg's `disk` list (docs/man/xl-disk-configuration). Parameters are separated by commas. Those without
 * `=` are flags if they are known ones, else they are taken in the order target, format, vdev, access. `target=` takes the
 * rest of the text, commas included. The old spelling `phy:TARGET,VDEV,ACCESS` (or `file:`, `raw:`) is still taken: a target
 * with such a prefix has no format after it.
 */
import { DISK_BACKENDS, DISK_FORMATS, type DiskConfig } from './domain-config.ts';
import { ToolstackError } from './toolstack-error.ts';
import { vdevNumber } from './vdev.ts';

type Draft = { -readonly [K in keyof DiskConfig]?: DiskConfig[K] };

const POSITIONAL = ['target', 'format', 'vdev', 'access'] as const;

const oneOf = <T extends string>(what: string, value: string, allowed: readonly T[]): T => {
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw new ToolstackError(
    `expected ${what} to be one of ${allowed.join(', ')}, found ${JSON.stringify(value)}`,
  );
};

const setAccess = (draft: Draft, value: string): void => {
  const access = oneOf('access', value, ['r', 'ro', 'w', 'rw', '']);
  draft.readwrite = access !== 'r' && access !== 'ro';
};

const setTarget = (draft: Draft, value: string): void => {
  const old = /^(phy|file|raw):(.*)$/s.exec(value);
  if (old) draft.format = 'raw';
  draft.pdevPath = old ? (old[2] as string) : value;
};

const setFormat = (draft: Draft, value: string): void => {
  if (value === '') return;
  draft.format = value === 'aio' ? 'raw' : oneOf('format', value, DISK_FORMATS);
};

const setVdev = (draft: Draft, value: string): void => {
  const old = /^(.*):(cdrom|disk)$/.exec(value);
  if (old?.[2] === 'cdrom') draft.isCdrom = true;
  draft.vdev = old ? (old[1] as string) : value;
};

const SETTERS: Readonly<Record<string, (draft: Draft, value: string) => void>> = {
  target: setTarget,
  format: setFormat,
  vdev: setVdev,
  access: setAccess,
  backendtype: (draft, value) => {
    draft.backend = oneOf('backendtype', value, DISK_BACKENDS);
  },
  devtype: (draft, value) => {
    draft.isCdrom = oneOf('devtype', value, ['cdrom', 'disk']) === 'cdrom';
  },
  script: (draft, value) => {
    draft.script = value;
  },
  backend: (_, value) => {
    oneOf('backend (only domain 0 serves disks)', value, ['0', 'Domain-0']);
  },
  specification: (_, value) => {
    oneOf('specification', value, ['xen']);
  },
};

const FLAGS: Readonly<Record<string, (draft: Draft) => void>> = {
  cdrom: (draft) => {
    draft.isCdrom = true;
  },
  removable: (draft) => {
    draft.removable = true;
  },
  'direct-io-safe': (draft) => {
    draft.directIoSafe = true;
  },
  discard: (draft) => {
    draft.discardEnable = true;
  },
  'no-discard': (draft) => {
    draft.discardEnable = false;
  },
  trusted: () => {},
  untrusted: () => {},
};

const finish = (draft: Draft): DiskConfig => {
  if (draft.isCdrom) {
    draft.removable = true;
    draft.readwrite = false;
    if (!draft.pdevPath) draft.format = 'empty';
  }
  if (!draft.vdev) throw new ToolstackError('expected a vdev, found none');
  vdevNumber(draft.vdev);
  if (!draft.pdevPath && draft.format !== 'empty') {
    throw new ToolstackError('expected a target, found none');
  }
  return {
    ...draft,
    pdevPath: draft.pdevPath ?? '',
    vdev: draft.vdev,
    format: draft.format ?? 'raw',
    readwrite: draft.readwrite ?? true,
  };
};

/** @throws ToolstackError */
export const parseDisk = (spec: string): DiskConfig => {
  const draft: Draft = {};
  let position = 0;
  let rest = spec;
  for (;;) {
    const target = /^\s*target\s*=(.*)$/s.exec(rest);
    const comma = target ? -1 : rest.indexOf(',');
    const item = (comma < 0 ? rest : rest.slice(0, comma)).trim();
    const pair = /^([a-z-]+)\s*=\s*(.*)$/s.exec(item);
    const key = pair?.[1] ?? '';
    const setter = Object.hasOwn(SETTERS, key) ? SETTERS[key] : undefined;
    const flag = Object.hasOwn(FLAGS, item) ? FLAGS[item] : undefined;
    if (pair && setter) setter(draft, pair[2] as string);
    else if (flag) flag(draft);
    else {
      const name = POSITIONAL[position++];
      if (name === undefined) {
        throw new ToolstackError(`expected a known parameter, found ${JSON.stringify(item)}`);
      }
      SETTERS[name]?.(draft, item);
      if (position === 1 && draft.format !== undefined) position++;
    }
    if (comma < 0) return finish(draft);
    rest = rest.slice(comma + 1);
  }
};
