/*
 * Device states.
 *
 * xen/include/public/io/xenbus.h
 */
export const XenbusStateClosed = 6;

export const XenbusStateClosing = 5;

export const XenbusStateConnected = 4;

export const XenbusStateInitWait = 2;

export const XenbusStateInitialised = 3;

export const XenbusStateInitialising = 1;

export const XenbusStateReconfigured = 8;

export const XenbusStateReconfiguring = 7;

export const XenbusStateUnknown = 0;
