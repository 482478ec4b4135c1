package export

// NPYHeader is npyHeader for tests.
var NPYHeader = npyHeader
