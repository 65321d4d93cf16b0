/*
 * The start_info page of a restored domain. The guest has put the pfns of its xenstore and console pages where
 * MFNs belong, before it suspended; restore puts the new MFNs there, and says what else is new. `magic`, the
 * virtual addresses and the command line stay as they were. `flags` becomes 0.
 */
import { start_info } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { frameFor, type RestoredFrames } from './restored-frames.ts';

/** What a restored domain is told through start_info. */
export interface StartOfLife {
  /** Machine address of its shared_info page. */
  readonly shared_info: number;
  /** Ports that were allocated for it. */
  readonly store_evtchn: number;
  readonly console_evtchn: number;
}

/**
 * Patches a start_info page in place, as libxc does at the end of a stream.
 *
 * @param page at least 1168 bytes of the page, whose pfn {@link localiseVcpu0} gave
 * @returns the frames of the xenstore and console rings, for grants and for the daemons
 * @throws FrameError when the guest left something else than pfns there
 */
export const patchStartInfo = (
  page: Uint8Array,
  frames: RestoredFrames,
  life: StartOfLife,
): { store_mfn: number; console_mfn: number } => {
  const info = start_info.at(new BytesMemory(page), 0);
  const store_mfn = frameFor(frames, 'XenStore', info.store_mfn);
  const console_mfn = frameFor(frames, 'Console', info.console.domU.mfn);
  info.nr_pages = frames.maxPfn + 1;
  info.shared_info = life.shared_info;
  info.flags = 0;
  info.store_mfn = store_mfn;
  info.store_evtchn = life.store_evtchn;
  info.console.domU.mfn = console_mfn;
  info.console.domU.evtchn = life.console_evtchn;
  return { store_mfn, console_mfn };
};
