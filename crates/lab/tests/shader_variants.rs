//! The list of specialisations is complete and consistent.

use std::collections::BTreeSet;
use weightlab_lab::shader_variants;

#[test]
fn no_shader_is_forgotten() {
    let listed: BTreeSet<_> = shader_variants().iter().map(|v| v.shader.name).collect();
    let known: BTreeSet<_> = weightlab_kernels::ALL.iter().map(|s| s.name).collect();
    assert_eq!(listed, known);
}

#[test]
fn constants_are_those_of_the_shader() {
    for variant in shader_variants() {
        let mut given: Vec<_> = variant.constants.iter().map(|(name, _)| *name).collect();
        let mut wanted = variant.shader.overrides.to_vec();
        given.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(given, wanted, "{}", variant.shader.name);
    }
}
