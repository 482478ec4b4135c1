// Package direct reads song files of the MSD's own layout.
package direct
