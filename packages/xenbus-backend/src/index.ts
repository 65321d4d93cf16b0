export { BackMessages, deed } from './back-messages.ts';
export { BackendBus } from './backend-bus.ts';
export type { BackendXen } from './backend-xen.ts';
export type { DeviceEnd, DeviceHandle } from './device-end.ts';
export { numberAt } from './number-at.ts';
