import fc from 'fast-check';
import { expect, test } from 'vitest';
import { completed, hasTransportChecksum } from '../src/index.ts';

/** An IPv4 packet in a frame: protocol 6 or 17, its data, what the checksum field holds, padding. */
const packet = (protocol: number, data: Uint8Array, field: number, pad = 0): Uint8Array => {
  const header = protocol === 6 ? 20 : 8;
  const total = 20 + header + data.length;
  const bytes = new Uint8Array(14 + total + pad).fill(0xee, 14 + total);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, 0x0800);
  bytes[14] = 0x45;
  view.setUint16(16, total);
  bytes[23] = protocol;
  bytes.set([10, 9, 0, 1, 192, 168, 7, 255], 26);
  view.setUint16(34, 4321);
  view.setUint16(36, 80);
  if (protocol === 6) bytes[46] = 0x50;
  else view.setUint16(38, header + data.length);
  view.setUint16(34 + (protocol === 6 ? 16 : 6), field);
  bytes.set(data, 34 + header);
  return bytes;
};

/** The sum as the RFCs define it, one word at a time, with its carry at once. */
const verify = (bytes: Uint8Array): number => {
  const end = 14 + ((bytes[16] as number) << 8) + (bytes[17] as number);
  const length = end - 34;
  const words = [...bytes.subarray(26, 34), 0, bytes[23] as number, length >> 8, length & 255];
  words.push(...bytes.subarray(34, end));
  if (words.length % 2 === 1) words.push(0);
  let sum = 0;
  for (let i = 0; i < words.length; i += 2) {
    sum += (words[i] as number) * 256 + (words[i + 1] as number);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
};

test('SUM-1: a blank checksum is filled in so that it verifies, whatever the field held', () => {
  const protocol = fc.constantFrom(6, 17);
  const data = fc.uint8Array({ maxLength: 1500 });
  fc.assert(
    fc.property(protocol, data, fc.nat(0xffff), fc.nat(20), (proto, payload, field, pad) => {
      const bytes = packet(proto, payload, field, pad);
      const before = bytes.slice();
      const done = completed({ bytes, checksum: 'blank' });
      expect(done.checksum).toBe('none');
      expect(verify(done.bytes)).toBe(0xffff);
      expect(bytes).toEqual(before);
      const at = 34 + (proto === 6 ? 16 : 6);
      const rest = done.bytes.slice();
      rest.set(before.subarray(at, at + 2), at);
      expect(rest).toEqual(before);
    }),
  );
});

test('SUM-2: in UDP a sum of zero is sent as ones', () => {
  // Data chosen so that the sum is zero: the complement of what is there without it.
  const bytes = packet(17, Uint8Array.of(0, 0), 0);
  const filled = completed({ bytes, checksum: 'blank' }).bytes;
  const data = Uint8Array.of(filled[40] as number, filled[41] as number);
  const zero = completed({ bytes: packet(17, data, 0), checksum: 'blank' }).bytes;
  expect([zero[40], zero[41]]).toEqual([0xff, 0xff]);
});

test('SUM-3: frames that are complete are left alone, and any bytes at all are survived', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (noise, ip) => {
      if (ip && noise.length > 14) noise.set([8, 0, 0x45], 12);
      const frame = { bytes: noise, checksum: 'validated' } as const;
      expect(completed(frame)).toBe(frame);
      const done = completed({ bytes: noise, checksum: 'blank' });
      expect(done.bytes.length).toBe(noise.length);
      if (!hasTransportChecksum(noise)) expect(done.bytes).toEqual(noise);
    }),
  );
});

test('SUM-3: fragments, other protocols, headers cut short have no checksum of their own', () => {
  const whole = packet(6, new Uint8Array(10), 0);
  expect(hasTransportChecksum(whole)).toBe(true);
  const spoilt: [number, number][] = [
    [12, 0x86],
    [14, 0x65],
    [14, 0x44],
    [14, 0x4f],
    [17, 255],
    [17, 39],
    [20, 0x20],
    [21, 1],
    [23, 1],
  ];
  for (const [at, value] of spoilt) {
    const bytes = whole.slice();
    bytes[at] = value;
    expect([at, value, hasTransportChecksum(bytes)]).toEqual([at, value, false]);
  }
});
