"""Certificates in the formats of other programs: Metamath, TPTP, SMT-LIB. They read JSON lines only."""
