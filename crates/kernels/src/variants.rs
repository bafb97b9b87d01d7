//! Every specialisation of a shader that Weightlab ships, for the checks that must see them all.
