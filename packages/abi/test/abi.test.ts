/*
 * What can be said of the interface without a C compiler. The comparison with Xen's own headers, struct by struct, is the probe's.
 */
import { BytesMemory, type Struct } from '@port-xen/layout';
import { describe, expect, test } from 'vitest';
import * as abi from '../src/index.ts';

const isStruct = (value: unknown): value is Struct =>
  typeof value === 'object' && value !== null && 'offset' in value && 'at' in value;

const structs = Object.entries(abi).filter(([, value]) => isStruct(value)) as [string, Struct][];

/** Sizes that documents and other programs rely on, bytes. */
const SIZES: Readonly<Record<string, number>> = {
  start_info: 1168,
  shared_info: 3136,
  vcpu_info: 64,
  vcpu_time_info: 32,
  vcpu_guest_context: 5168,
  xenstore_domain_interface: 2076,
  xencons_interface: 3088,
  grant_entry_v1: 8,
  blkif_request: 112,
  blkif_response: 16,
  netif_tx_request: 12,
  netif_rx_response: 8,
  mmu_update: 16,
  multicall_entry: 64,
  trap_info: 16,
  xsd_sockmsg: 16,
  xen2_shared_info: 344,
  xen2_start_info: 320,
  control_if: 1040,
  control_msg: 64,
  xen2_blkif_ring: 3848,
  xen2_netif_tx_ring: 3088,
  xen2_netif_rx_ring: 3084,
};

test.each(Object.entries(SIZES))('ABI-1: %s has %d bytes', (name, size) => {
  expect((abi as unknown as Record<string, Struct>)[name]?.size).toBe(size);
});

describe.each(structs)('%s', (_, struct) => {
  test('ABI-1: every field lies within the struct, in the order of its declaration or as a union', () => {
    const offsets = Object.values(struct.offset);
    for (const offset of offsets) expect(offset).toBeLessThan(Math.max(1, struct.size));
    const ascending = offsets.every((offset, i) => i === 0 || offset >= (offsets[i - 1] as number));
    expect(ascending).toBe(true);
  });

  test('ABI-4: no field hides where a view looks', () => {
    expect(Object.keys(struct.offset)).not.toContain('address');
    expect(Object.keys(struct.offset)).not.toContain('memory');
    const view = struct.at(new BytesMemory(new Uint8Array(struct.size)), 0);
    expect(view.address).toBe(0);
  });
});

test('ABI-1: constants are integers that a Number holds, or strings', () => {
  for (const [name, value] of Object.entries(abi)) {
    if (isStruct(value) || typeof value !== 'number') continue;
    expect(Number.isSafeInteger(value), `${name} = ${value}`).toBe(true);
  }
});
