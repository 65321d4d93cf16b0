import type { StoreClient } from '@port-xen/xenstore';

const MAX_U32 = 0xffff_ffff;

/** What a node that its guest may write as it likes says: a decimal 32-bit number, or a sentence saying what it says. */
export const numberAt = (store: StoreClient, directory: string, name: string): number | string => {
  const value = store.tryRead(`${directory}/${name}`);
  const number = value !== undefined && /^[0-9]{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (number <= MAX_U32) return number;
  return `expected a 32-bit number in ${directory}/${name}, found ${value === undefined ? 'no node' : JSON.stringify(value.slice(0, 40))}`;
};
