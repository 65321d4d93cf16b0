/*
 * A virtual disk's name and its number (docs/man/xen-vbd-interface). `xvd` with a disk below 16 and a partition below 16
 * has major 202; above, bit 28 is set and the fields are wider. `hd` and `sd` keep the numbers that Linux gave them.
 * `dN` and `dNpM` name the disk by its number; a bare number is the number itself.
 */
import { ToolstackError } from './toolstack-error.ts';

const EXTENDED = 1 << 28;

/** `a` is 0, `z` 25, `aa` 26: bijective, as the names of Linux disks are. */
const letters = (text: string): number => {
  let n = 0;
  for (const letter of text) n = n * 26 + (letter.charCodeAt(0) - 96);
  return n - 1;
};

const wrong = (vdev: string): never => {
  throw new ToolstackError(
    `expected the name of a virtual disk such as xvda, xvdb1, hda, sda or d0p1, found ${JSON.stringify(vdev)}`,
  );
};

const xvd = (vdev: string, disk: number, partition: number): number => {
  if (disk < 16 && partition < 16) return (202 << 8) | (disk << 4) | partition;
  return disk < 1 << 20 && partition < 256 ? EXTENDED | (disk << 8) | partition : wrong(vdev);
};

const hd = (vdev: string, disk: number, partition: number): number => {
  const major = [3, 22][disk >> 1];
  if (major === undefined || partition >= 64) return wrong(vdev);
  return (major << 8) | ((disk & 1) << 6) | partition;
};

const sd = (vdev: string, disk: number, partition: number): number =>
  disk < 16 && partition < 16 ? (8 << 8) | (disk << 4) | partition : wrong(vdev);

/**
 * @returns the number by which front and back end know the disk (`virtual-device`)
 * @throws ToolstackError
 */
export const vdevNumber = (vdev: string): number => {
  const numbered = /^d(\d{1,7})(?:p(\d{1,3}))?$/.exec(vdev);
  if (numbered) return xvd(vdev, Number(numbered[1]), Number(numbered[2] ?? 0));
  if (/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(vdev)) {
    const number = Number(vdev);
    return number < 2 ** 29 ? number : wrong(vdev);
  }
  const named = /^(xvd|hd|sd)([a-z]{1,4})(\d{0,3})$/.exec(vdev);
  if (!named) return wrong(vdev);
  const disk = letters(named[2] as string);
  const partition = named[3] === '' ? 0 : Number(named[3]);
  if (named[1] === 'hd') return hd(vdev, disk, partition);
  return named[1] === 'sd' ? sd(vdev, disk, partition) : xvd(vdev, disk, partition);
};
