/**
 * Freezes an object and all that its properties reach. The machine (registers, memory) is out of reach: {@link Cpu}
 * keeps it in private fields, because it is not the guest's to freeze.
 */
export const deepFreeze = (value: object): void => {
  if (Object.isFrozen(value) || ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  }
};
