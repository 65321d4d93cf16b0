export { BackRing } from './back-ring.ts';
export { FrontRing, front_ring } from './front-ring.ts';
export { ringSize } from './geometry.ts';
