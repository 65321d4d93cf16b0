/*
 * What the kernel in a save file holds of the network, read from its pages.
 */
import { KERNBASE, PAGE_SIZE } from '@port-xen/kern';
import { BytesMemory } from '@port-xen/layout';
import { xennet_softc } from '@port-xen/xennet';
import { ImageIndex } from '../../src/image/image-index.ts';
import { findKernel } from '../../src/image/saved-kernel.ts';

/** Of the whole stack and of the first interface. */
export interface KernelCounts {
  readonly freeMbufs: number;
  readonly freeTxIds: number;
  readonly txMbufs: number;
  readonly rxGrants: number;
}

export const kernelCounts = (bytes: Uint8Array): KernelCounts => {
  const index = new ImageIndex({
    size: bytes.length,
    readAt: (offset, into) => {
      const part = bytes.subarray(offset, offset + into.length);
      into.set(part);
      return part.length;
    },
  });
  const image = findKernel(index).symbols?.image;
  if (image === undefined) throw new Error('expected an image of this kernel');
  /** A module's data, found by the kernel's linear mapping. */
  const dataOf = (
    module: string,
  ): { at: BytesMemory; offset: Readonly<Record<string, number>> } => {
    const start = image.data[module] as number;
    const struct = image.spec.modules[module]?.data;
    if (struct === undefined) throw new Error(`the kernel has no module ${module}`);
    const first = Math.floor((start - KERNBASE) / PAGE_SIZE);
    const within = start - KERNBASE - first * PAGE_SIZE;
    const pages = Math.ceil((within + struct.size) / PAGE_SIZE);
    const copy = new Uint8Array(pages * PAGE_SIZE);
    for (let i = 0; i < pages; i++) {
      const page = index.page(first + i);
      if (page !== undefined) copy.set(page, i * PAGE_SIZE);
    }
    return { at: new BytesMemory(copy.subarray(within)), offset: struct.offset };
  };
  const mbuf = dataOf('mbuf');
  const xennet = dataOf('xennet');
  const softc = xennet_softc.at(xennet.at, xennet.offset.softcs as number);
  let txMbufs = 0;
  let rxGrants = 0;
  for (let i = 0; i < 256; i++) {
    if (softc.sc_txreqs.at(i).tx_mbuf !== 0 && softc.sc_txreqs.at(i).tx_left > 0) txMbufs++;
    if (softc.sc_rx_gntrefs.get(i) > 0) rxGrants++;
  }
  return {
    freeMbufs: mbuf.at.ld32(mbuf.offset.m_nfree as number),
    freeTxIds: softc.sc_ntxfree,
    txMbufs,
    rxGrants,
  };
};
