//! The structs of `xla/ffi/api/c_api.h`, as far as a handler on the CPU needs them.
//!
//! They have kept their layout from version 0.1 on; members that later versions append are not
//! here. Every struct begins with its size as the caller knows it, which is checked before it is
//! read.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// An extension of a call: one of a list.
#[repr(C)]
pub struct Extension {
    pub struct_size: usize,
    pub kind: c_uint,
    pub next: *mut Extension,
}

/// A version of the interface.
#[repr(C)]
pub struct ApiVersion {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub major: c_int,
    pub minor: c_int,
}

/// What a handler tells of itself when it is registered.
#[repr(C)]
pub struct Metadata {
    pub struct_size: usize,
    pub api_version: ApiVersion,
    pub traits: u32,
}

/// The extension of the call that asks for it.
#[repr(C)]
pub struct MetadataExtension {
    pub base: Extension,
    pub metadata: *mut Metadata,
}

/// The arguments of the function that makes an error.
#[repr(C)]
pub struct ErrorArguments {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub message: *const c_char,
    pub code: c_uint,
}

/// XLA's error, of which only XLA knows what it is.
pub enum Error {}

/// XLA's functions. There are more behind these.
#[repr(C)]
pub struct Api {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub api_version: ApiVersion,
    pub internal_api: *const c_void,
    pub error_create: unsafe extern "C" fn(*mut ErrorArguments) -> *mut Error,
}

/// An array.
#[repr(C)]
pub struct Buffer {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub dtype: c_uint,
    pub data: *mut c_void,
    pub rank: i64,
    pub dims: *const i64,
}

/// The operands or the results of a call.
#[repr(C)]
pub struct Values {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub size: i64,
    pub types: *const c_uint,
    pub values: *const *mut c_void,
}

/// Text that is not terminated.
#[repr(C)]
pub struct ByteSpan {
    pub start: *const c_char,
    pub len: usize,
}

/// A number among the attributes.
#[repr(C)]
pub struct Scalar {
    pub dtype: c_uint,
    pub value: *const c_void,
}

/// The attributes of a call.
#[repr(C)]
pub struct Attributes {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub size: i64,
    pub types: *const c_uint,
    pub names: *const *const ByteSpan,
    pub values: *const *mut c_void,
}

/// A call of a handler.
#[repr(C)]
pub struct CallFrame {
    pub struct_size: usize,
    pub extension: *mut Extension,
    pub api: *const Api,
    pub context: *mut c_void,
    pub stage: c_uint,
    pub operands: Values,
    pub results: Values,
    pub attributes: Attributes,
}

// SAFETY: handlers only read the structs of a call, which XLA leaves as they are until it returns.
unsafe impl Sync for CallFrame {}

/// Types of elements.
pub const PRED: c_uint = 1;
pub const S32: c_uint = 4;
pub const S64: c_uint = 5;
pub const F32: c_uint = 11;
pub const F64: c_uint = 12;
/// The kind of an operand that is a buffer, of attributes that are scalars and text, and of the
/// extension that asks for metadata.
pub const BUFFER: c_uint = 1;
pub const SCALAR: c_uint = 3;
pub const STRING: c_uint = 4;
pub const METADATA: c_uint = 1;
/// The code of an error of the caller.
pub const INVALID_ARGUMENT: c_uint = 3;

// What XLA from 0.4.35 to 0.10.2 says of itself, on 64 bits.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<CallFrame>() == 168);
    assert!(size_of::<Values>() == 40);
    assert!(size_of::<Attributes>() == 48);
    assert!(size_of::<Buffer>() == 48);
    assert!(std::mem::offset_of!(CallFrame, operands) == 40);
    assert!(std::mem::offset_of!(MetadataExtension, metadata) == 24);
    assert!(std::mem::offset_of!(Metadata, api_version) == 8);
};
