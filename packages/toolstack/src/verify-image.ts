/*
 * Whether an image can be restored, by restoring it: on an empty machine that is large enough, whose memory costs nothing
 * until it is used. Page tables, and the few pages that registers name, go into it; all other pages stay in the file.
 * What the machine's Xen refuses is refused here too. The image's kernel does not matter: nothing runs.
 */
import { Hypervisor, XenError } from '@port-xen/hypervisor';
import {
  type ImageFile,
  ImageReader,
  type ImageSummary,
  readFileAt,
  StreamError,
  sourceOfFile,
} from '@port-xen/migration-stream';
import { Sim } from '@port-xen/sim';
import type { Engine } from '@port-xen/vcpu';
import { configOf, NO_CONFIG } from './config-of-image.ts';
import type { DomainConfig } from './domain-config.ts';
import { MAXMEM_SLACK_KIB } from './domain-maker.ts';
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
const PAGE = 4096;
const KIB_PER_PAGE = 4;
const DOM0 = 0;

const nothingRuns: Engine = {
  run: () => {
    throw new Error('expected a domain that never runs');
  },
};

/** What a bare stream of so many pages is taken for. */
const bareConfig = (pages: number): DomainConfig => ({
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

/** How many pages the domain has at most, as far as the file can be read. */
const pagesOf = (file: ImageFile): number => {
  let pages = 0;
  const reader = new ImageReader(sourceOfFile(file));
  try {
    reader.read({ p2mFrames: ({ endPfn }) => (pages = Math.max(pages, endPfn + 1)) });
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
  }
  return pages;
};

const emptyHost = (pages: number): Hypervisor => {
  const spare = SPARE_FRAMES + Math.ceil(pages / PAGES_PER_SPARE_FRAME);
  const frames = Math.min(FRAMES_MAX, pages + spare);
  const memory = new ArrayBuffer(frames * PAGE);
  const clocks = { tscKhz: 2_000_000, uptime_ns: 0, wallclock_ns: 0 };
  return new Hypervisor({ sim: new Sim(0), memory, slot: SLOT, frames, ...clocks });
};

const makeDomain = ({ domctl, dom0 }: Hypervisor, config: DomainConfig): RestoreTarget => {
  const domid = domctl.createDomain({
    handle: uuidBytes(config.uuid),
    maxVcpus: config.maxVcpus,
    ...(config.maxGrantFrames !== undefined && { maxGrantFrames: config.maxGrantFrames }),
    ...(config.maxEventChannels !== undefined && { maxEvtchnPort: config.maxEventChannels }),
    engine: nothingRuns,
  });
  domctl.maxMem(domid, config.maxMem_kib + MAXMEM_SLACK_KIB);
  const storePort = dom0.allocUnbound(domid, DOM0);
  const consolePort = dom0.allocUnbound(domid, DOM0);
  return { domid, config, storePort, consolePort };
};

/**
 * Judges an image: an xl file, a bare libxl or a bare libxc stream.
 *
 * @returns the verdict, whatever the bytes are
 * @throws only what `file` throws
 */
export const verifyImage = (file: ImageFile): ImageVerdict => {
  const hv = emptyHost(pagesOf(file));
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
          if (barePages !== undefined) config = bareConfig(barePages);
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
