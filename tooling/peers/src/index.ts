export { debianPackage } from './debian-package.ts';
export { type StreamFormat, verifyStream } from './verify-stream.ts';
