export { debianPackage } from './debian-package.ts';
export { type GenuineVerdict, type GenuineXen, genuineRestore } from './genuine-restore.ts';
export { type StreamFormat, verifyStream } from './verify-stream.ts';
