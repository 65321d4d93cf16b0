/*
 * Whether an image can be restored, by restoring it: on an empty machine that is large enough, whose memory costs nothing
 * until it is used. Page tables, and the few pages that registers name, go into it; all other pages stay in the file.
 * What the machine's Xen refuses is refused here too. The image's kernel does not matter: nothing runs.
 */
import { Hypervisor, type SharedInfoName, XEN2_SLOT_FRAMES, XenError } from '@port-xen/hypervisor';
import {
  type ImageFile,
  ImageReader,
  type ImageSummary,
  isXen2SharedInfo,
  readFileAt,
  StreamError,
  sourceOfFile,
} from '@port-xen/migration-stream';
import { Sim } from '@port-xen/sim';
import type { Engine } from '@port-xen/vcpu';
import { checkDevices } from './check-devices.ts';
import { configOf, NO_CONFIG } from './config-of-image.ts';
import type { DomainConfig } from './domain-config.ts';
import { MAXMEM_SLACK_KIB } from './domain-maker.ts';
import { guestInterface } from './guest-interface.ts';
import { restoreImage } from './restore-image.ts';
import type { RestoreTarget } from './restored-vcpus.ts';
import { ToolstackError } from './toolstack-error.ts';
import { uuidBytes } from './uuid.ts';

/** What a restore would say. */
export interface ImageVerdict {
  /** Why it would refuse; undefined when it would not. */
  readonly refusal: Error | undefined;
  /** What it would lose, a sentence each. */
  readonly warnings: readonly string[];
  /** What the file holds; undefined when it was refused. */
  readonly summary: ImageSummary | undefined;
}

/** Frames of the largest host. */
const FRAMES_MAX = 2 ** 21;
/** What a host needs beside its domain: this much, and a frame of M2P and tables for so many of the domain's. */
const SPARE_FRAMES = 2048;
const PAGES_PER_SPARE_FRAME = 256;
/** Of the host: its MFNs are none that an image holds by mistake for pfns. */
const SLOT = 63;
/** And of a host for domains of Xen 2. */
const XEN2_SLOT = 7;
const PAGE = 4096;
const KIB_PER_PAGE = 4;

const nothingRuns: Engine = {
  run: () => {
    throw new Error('expected a domain that never runs');
  },
};

/** What a bare stream of so many pages is taken for. */
const bareConfig = (pages: number, name: SharedInfoName): DomainConfig => ({
  interface: name,
  name: 'bare',
  uuid: '00000000-0000-0000-0000-000000000000',
  maxVcpus: 1,
  availVcpus: [0],
  maxMem_kib: pages * KIB_PER_PAGE,
  targetMem_kib: pages * KIB_PER_PAGE,
  disks: [],
  nics: [],
  onPoweroff: 'destroy',
  onReboot: 'destroy',
  onWatchdog: 'destroy',
  onCrash: 'destroy',
  onSoftReset: 'destroy',
});

/** What the file is about, as far as it can be read. */
interface Outline {
  /** How many pages the domain has at most. */
  readonly pages: number;
  /** What the configuration says, or else the shared_info page. */
  readonly interface: SharedInfoName;
}

const outlineOf = (file: ImageFile): Outline => {
  let pages = 0;
  let said: SharedInfoName | undefined;
  let seen: SharedInfoName = 'xen-3.0';
  const reader = new ImageReader(sourceOfFile(file));
  try {
    reader.read({
      config: (text, format) => {
        said = configOf(text, format, new Sim(0).random).interface ?? 'xen-3.0';
      },
      p2mFrames: ({ endPfn }) => {
        pages = Math.max(pages, endPfn + 1);
      },
      sharedInfo: (page) => {
        seen = isXen2SharedInfo(page) ? 'xen-2.0' : 'xen-3.0';
      },
    });
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
  }
  return { pages, interface: said ?? seen };
};

const emptyHost = ({ pages, interface: name }: Outline): Hypervisor => {
  const spare = SPARE_FRAMES + Math.ceil(pages / PAGES_PER_SPARE_FRAME);
  const low = name === 'xen-2.0';
  const frames = Math.min(low ? XEN2_SLOT_FRAMES : FRAMES_MAX, pages + spare);
  const memory = new ArrayBuffer(frames * PAGE);
  const clocks = { tscKhz: 2_000_000, uptime_ns: 0, wallclock_ns: 0 };
  const place = low ? { slot: XEN2_SLOT, slotFrames: XEN2_SLOT_FRAMES } : { slot: SLOT };
  return new Hypervisor({ sim: new Sim(0), memory, ...place, frames, ...clocks });
};

const makeDomain = (hv: Hypervisor, config: DomainConfig): RestoreTarget => {
  const { domctl } = hv;
  const guest = guestInterface(config.interface);
  guest.check(config);
  checkDevices(config);
  const domid = domctl.createDomain({
    handle: uuidBytes(config.uuid),
    maxVcpus: config.maxVcpus,
    ...(config.maxGrantFrames !== undefined && { maxGrantFrames: config.maxGrantFrames }),
    ...(config.maxEventChannels !== undefined && { maxEvtchnPort: config.maxEventChannels }),
    interface: guest.name,
    engine: nothingRuns,
  });
  domctl.maxMem(domid, config.maxMem_kib + MAXMEM_SLACK_KIB);
  return { domid, config, ...guest.allocatePorts(hv, domid) };
};

/**
 * Judges an image: an xl file, a bare libxl or a bare libxc stream.
 *
 * @returns the verdict, whatever the bytes are
 * @throws only what `file` throws
 */
export const verifyImage = (file: ImageFile): ImageVerdict => {
  const outline = outlineOf(file);
  const hv = emptyHost(outline);
  const warnings: string[] = [];
  let config: DomainConfig | undefined;
  try {
    const { summary } = restoreImage(
      hv,
      sourceOfFile(file),
      {
        warn: (sentence) => warnings.push(sentence),
        later: (offset, into) => readFileAt(file, offset, into),
        config: (text, format) => {
          config = configOf(text, format, hv.sim.random);
        },
        makeDomain: (barePages) => {
          if (barePages !== undefined) config = bareConfig(barePages, outline.interface);
          if (config === undefined) throw new ToolstackError(NO_CONFIG);
          return makeDomain(hv, config);
        },
        checkKernel: () => {},
      },
      ['xl', 'libxl', 'libxc'],
    );
    return { refusal: undefined, warnings, summary };
  } catch (error) {
    if (
      error instanceof StreamError ||
      error instanceof ToolstackError ||
      error instanceof XenError
    ) {
      return { refusal: error, warnings, summary: undefined };
    }
    throw error;
  }
};
