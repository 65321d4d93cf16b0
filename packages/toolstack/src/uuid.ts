import type { Random } from '@port-xen/sim';
import { ToolstackError } from './toolstack-error.ts';

const SHAPE = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** @returns the UUID's text from its 16 bytes, in the order in which they are written */
export const uuidText = (bytes: Uint8Array): string => {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
};

/**
 * @returns the 16 bytes of a UUID, dashes optional
 * @throws ToolstackError
 */
export const uuidBytes = (text: string): Uint8Array => {
  if (!SHAPE.test(text)) {
    throw new ToolstackError(
      `expected a UUID of 32 hexadecimal digits, found ${JSON.stringify(text)}`,
    );
  }
  const hex = text.replaceAll('-', '');
  return Uint8Array.from({ length: 16 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
};

/** A random UUID (version 4, RFC 9562), drawn from the world's generator. */
export const drawUuid = (random: Random): string => {
  const bytes = Uint8Array.from({ length: 16 }, () => random.below(256));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return uuidText(bytes);
};

/** A random MAC address of Xen's own range. */
export const drawMac = (random: Random): string => {
  const bytes = Array.from({ length: 3 }, () => random.below(256).toString(16).padStart(2, '0'));
  return `00:16:3e:${bytes.join(':')}`;
};
