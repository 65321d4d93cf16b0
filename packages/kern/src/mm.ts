/*
 * The devices of memory that hold nothing (sys/dev/mm.c): /dev/null, at its end at once, and /dev/zero, without an end; both take
 * what is written and keep none of it.
 */
import type { Cdevsw } from './cdev.ts';
import { copyout } from './copy.ts';
import { EFAULT } from './errno.ts';
import { leaf, type Text } from './text.ts';

/** How fast memory is cleared. */
const BYTES_PER_NS = 8;

export const mmText: Text<Cdevsw> = {
  mm_null: leaf(() => 0),

  /** (softc, offset, address, length). */
  mm_zero: leaf((m, _softc, _offset, address, length) => {
    m.cpu.spend(Math.ceil(length / BYTES_PER_NS));
    return copyout(m.cpu, address, new Uint8Array(length)) ? length : -EFAULT;
  }),

  /** (softc, offset, address, length). */
  mm_write: leaf((_m, _softc, _offset, _address, length) => length),
};

/** Adds both devices. */
export const attachMm = (cdevsw: Cdevsw): void => {
  const { cpu } = cdevsw;
  const write = cpu.sym('mm_write');
  cdevsw.attach('null', 0, { read: cpu.sym('mm_null'), write });
  cdevsw.attach('zero', 0, { read: cpu.sym('mm_zero'), write });
};
