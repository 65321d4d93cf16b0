/*
 * A domain out of a save file (xc_domain_restore and the half of libxl around it). The file is read once, front to back, and
 * is taken for hostile: migration-stream checks what can be checked without a domain, ImageIntake and RestoredMemory what
 * can be checked as it comes, this file what only the whole shows. Nothing is applied before the file has ended well; then
 * it is in libxenguest's order: shared_info, time, policies, vCPUs, pins, P2M, grants.
 *
 * The same code judges an image that nobody wants to run: verify-image.ts.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import {
  ImageReader,
  type ImageReaderOptions,
  type ImageSummary,
  type Source,
  StreamError,
} from '@port-xen/migration-stream';
import { FewWarnings } from './few-warnings.ts';
import { GuestFrames } from './guest-frames.ts';
import { guestInterface } from './guest-interface.ts';
import { hex } from './hex.ts';
import type { HostHandles } from './host-handles.ts';
import { ImageIntake, type IntakeHooks } from './image-intake.ts';
import { orRefuse } from './refusal.ts';
import type { RestoredMemory } from './restored-memory.ts';
import { writeP2m } from './restored-p2m.ts';
import type { RestoreTarget } from './restored-vcpus.ts';

/** What restoring asks of the caller. */
export interface RestoreHooks extends IntakeHooks {
  /** Looks at the memory before anything runs in it; throws a sentence to refuse. */
  checkKernel(pageAt: (pfn: number) => Uint8Array | undefined): void;
}

/** A domain that has been restored, not yet known to any daemon. */
export interface RestoredDomain {
  readonly target: RestoreTarget;
  readonly handles: HostHandles;
  readonly memory: RestoredMemory;
  readonly summary: ImageSummary;
  readonly pinned: number;
}

/**
 * Restores a domain from a save file.
 *
 * @param accept what the file may start with
 * @throws StreamError for what is wrong with the file, and whatever a hook throws; a domain that `makeDomain` made is then
 *   the caller's to destroy
 */
export const restoreImage = (
  hv: Hypervisor,
  source: Source,
  hooks: RestoreHooks,
  accept: NonNullable<ImageReaderOptions['accept']>,
): RestoredDomain => {
  const warnings = new FewWarnings(hooks.warn);
  const intake = new ImageIntake(hv, { ...hooks, warn: warnings.warn });
  const reader = new ImageReader(source, { accept, maxVcpuId: () => intake.maxVcpuId });
  const summary = reader.read(intake);
  const { target, memory } = intake.made;
  const frames = new GuestFrames(hv, target.domid);
  memory.localiseTables(intake.endPlace);
  hooks.checkKernel((pfn) => {
    const mfn = memory.pfnToMfn(pfn);
    return mfn < 0 ? undefined : frames.copy(mfn);
  });
  const { sharedInfoMfn } = hv.domctl.getDomainInfo(target.domid);
  setDomain(hv, intake, frames, sharedInfoMfn);
  const handles = intake.vcpus.start(hv, target, memory, sharedInfoMfn);
  const pinned = pin(hv, intake);
  writeP2m(intake, frames, warnings.warn);
  warnings.end();
  guestInterface(target.config.interface).seedGrants(hv, target.domid, handles);
  return { target, handles, memory, summary, pinned };
};

/** What is the domain's as a whole. */
const setDomain = (
  { domctl }: Hypervisor,
  { made, sharedInfoPage, tsc, leaves, msrs }: ImageIntake,
  frames: GuestFrames,
  sharedInfoMfn: number,
): void => {
  const { domid, config } = made.target;
  if (sharedInfoPage !== undefined) {
    const { bytes, place } = sharedInfoPage;
    const guest = guestInterface(config.interface);
    if (!guest.isSharedInfo(bytes)) {
      const words = 'Image of another interface';
      const [expected, found] = [`a shared_info page of ${guest.name}`, 'one of another'];
      throw new StreamError({ words, expected, found, ...place });
    }
    frames.with(sharedInfoMfn, (page) => guest.mergeSharedInfo(page, bytes));
  }
  if (tsc !== undefined) {
    orRefuse('Unable to set TSC information', tsc.place, () => domctl.setTscInfo(domid, tsc.info));
  }
  const place = leaves?.place ?? msrs?.place;
  if (place === undefined) return;
  const none = new Uint8Array(0);
  orRefuse('Failed to update CPUID/MSR policy', place, () =>
    domctl.setCpuPolicy(domid, { leaves: leaves?.bytes ?? none, msrs: msrs?.bytes ?? none }),
  );
};

/** Pins what was pinned, in ascending order of pfns. @returns how many */
const pin = (hv: Hypervisor, { made, endPlace }: ImageIntake): number => {
  const { target, memory } = made;
  let pinned = 0;
  for (const { pfn, level, mfn } of memory.pinned()) {
    const place = { offset: memory.offsetOf(pfn), record: endPlace.record };
    orRefuse(
      'Failed to pin batch of pagetables',
      place,
      () => hv.dom0.pin(target.domid, level, mfn),
      `Xen to pin pfn ${hex(pfn)} as an L${level} table`,
    );
    pinned++;
  }
  return pinned;
};
