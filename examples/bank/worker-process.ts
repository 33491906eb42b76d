import { type BankNodeSetup, connectionOf, startBankNode } from './node.js';

const setup = JSON.parse(process.argv[2] ?? '') as BankNodeSetup;
await startBankNode(setup, connectionOf(setup));
process.once('disconnect', () => process.exit());
process.send?.('ready');
