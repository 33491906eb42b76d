import { readOrCreateCookie } from '@foundation-ts/discovery';

const { secret } = await readOrCreateCookie({ path: process.argv[2] as string });
process.stdout.write(Buffer.from(secret).toString('utf8'));
