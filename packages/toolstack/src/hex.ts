/** A frame number as Xen's tools print it. */
export const hex = (value: number): string => `0x${value.toString(16)}`;
