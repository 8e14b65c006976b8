//! kola.
